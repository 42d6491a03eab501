import { setTimeout as sleep } from 'node:timers/promises'

interface Asked<In, Out> {
  readonly item: In
  readonly result: PromiseWithResolvers<Out>
}

/**
 * Combines calls made at about the same time: all items that arrive while one call runs go into the next. If a call
 * fails, it fails for all of its items, unless one item alone may be the cause: then each is tried by itself.
 */
export class Batcher<In, Out> {
  readonly #run: (items: readonly In[]) => Promise<readonly Out[]>
  readonly #maxItems: number
  readonly #mayBeForOne: (error: unknown) => boolean
  readonly #gatherMs: number
  #waiting: Asked<In, Out>[] = []
  #running = false

  /** `run` returns a result for each item, in order. `gatherMs`: how long items gather before each call. */
  constructor(
    run: (items: readonly In[]) => Promise<readonly Out[]>,
    maxItems: number,
    mayBeForOne: (error: unknown) => boolean = () => false,
    gatherMs = 0,
  ) {
    this.#run = run
    this.#gatherMs = gatherMs
    this.#maxItems = maxItems
    this.#mayBeForOne = mayBeForOne
  }

  add(item: In): Promise<Out> {
    const result = Promise.withResolvers<Out>()
    this.#waiting.push({ item, result })
    if (!this.#running) void this.#runAll()
    return result.promise
  }

  async #runAll(): Promise<void> {
    this.#running = true
    // Wait one turn of the event loop, so that items added together go together.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      if (this.#gatherMs > 0) await sleep(this.#gatherMs)
      await this.#runBatch(this.#waiting.splice(0, this.#maxItems))
    }
    this.#running = false
  }

  async #runBatch(batch: readonly Asked<In, Out>[]): Promise<void> {
    try {
      const results = await this.#run(batch.map(({ item }) => item))
      batch.forEach(({ result }, place) => {
        result.resolve(results[place] as Out)
      })
    } catch (error) {
      if (batch.length > 1 && this.#mayBeForOne(error)) {
        for (const asked of batch) await this.#runBatch([asked])
      } else {
        for (const { result } of batch) result.reject(error)
      }
    }
  }
}
