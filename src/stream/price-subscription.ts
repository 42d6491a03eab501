import type { PriceUpdate, PriceUpdateKind } from '../domain/price-update.ts'
import { Channel } from './channel.ts'

/** How many updates wait for a reader before only the newest of each symbol is kept. */
const maxWaiting = 1024

/** An update and the run of the feed that numbered it. */
export interface NumberedUpdate {
  readonly run: string
  readonly update: PriceUpdate
}

/**
 * The updates of some symbols on their way to one reader. A slow reader loses prices between, never the order, and its queue
 * stays bounded. Ignores what it has seen; tells as SNAPSHOT what does not go on from there.
 */
export class PriceSubscription {
  readonly symbols: readonly string[]
  readonly updates: Channel<PriceUpdate>
  readonly #last = new Map<string, { run: string; seq: number }>()

  constructor(symbols: readonly string[], onEnd: (subscription: PriceSubscription) => void) {
    this.symbols = symbols
    this.updates = new Channel<PriceUpdate>({
      maxWaiting: maxWaiting + symbols.length,
      compact: newestOfEachSymbol,
      onEnd: () => onEnd(this),
    })
  }

  push({ run, update }: NumberedUpdate): void {
    const { symbol } = update.quote
    const last = this.#last.get(symbol)
    const goesOn = last?.run === run
    if (goesOn && update.seq <= last.seq) return
    this.#last.set(symbol, { run, seq: update.seq })
    this.updates.push(goesOn ? update : { ...update, kind: 'SNAPSHOT' })
  }
}

/** What takes the place of others tells all that they told: of a first price, else of a new one. */
export function newestOfEachSymbol(updates: readonly PriceUpdate[]): PriceUpdate[] {
  const newest = new Map<string, PriceUpdate>()
  for (const update of updates) {
    const { symbol } = update.quote
    const before = newest.get(symbol)
    newest.delete(symbol)
    newest.set(symbol, before && rank[before.kind] > rank[update.kind] ? { ...update, kind: before.kind } : update)
  }
  return [...newest.values()]
}

const rank: Record<PriceUpdateKind, number> = { SNAPSHOT: 2, TICK: 1, STATUS: 0 }
