import { LRUCache } from 'lru-cache'
import type { Observed } from '../../../schema/price/observed.ts'

const maxFields = 10_000
/** Characters of all names, as clients choose some of them. */
const maxNames = 4 * 1024 * 1024
/** How much the newest observation counts: one field may stand for many objects. */
const weightOfNewest = 0.3

/** What fields have lately given, by field and arguments. */
export class Observations {
  readonly #byName = new LRUCache<string, Observed>({
    max: maxFields,
    maxSize: maxNames,
    sizeCalculation: (_observed, name) => name.length,
  })

  note(name: string, { entries, ...rest }: Observed): void {
    const known = this.#byName.get(name)
    const mean = known ? known.entries + weightOfNewest * (entries - known.entries) : entries
    this.#byName.set(name, { entries: mean, ...rest })
  }

  get(name: string): Observed | undefined {
    return this.#byName.get(name)
  }
}
