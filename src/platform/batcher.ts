/**
 * Does together what is asked for at about the same time: all that comes while one call is under way goes into the next. A
 * call that fails fails for all that went into it.
 */
export class Batcher<In, Out> {
  readonly #run: (items: readonly In[]) => Promise<readonly Out[]>
  readonly #maxItems: number
  #waiting: { readonly item: In; readonly result: PromiseWithResolvers<Out> }[] = []
  #running = false

  /** `run` gives a result for each item, in order. */
  constructor(run: (items: readonly In[]) => Promise<readonly Out[]>, maxItems: number) {
    this.#run = run
    this.#maxItems = maxItems
  }

  add(item: In): Promise<Out> {
    const result = Promise.withResolvers<Out>()
    this.#waiting.push({ item, result })
    if (!this.#running) void this.#runAll()
    return result.promise
  }

  async #runAll(): Promise<void> {
    this.#running = true
    // One turn of the event loop, so that what belongs together comes together.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#maxItems)
      try {
        const results = await this.#run(batch.map(({ item }) => item))
        batch.forEach(({ result }, place) => {
          result.resolve(results[place] as Out)
        })
      } catch (error) {
        for (const { result } of batch) result.reject(error)
      }
    }
    this.#running = false
  }
}
