/** Runs work with the same key one after the other, in the order of the calls; a failure does not affect the next. */
export class KeyedTurns {
  /** By key: settles with the newest work and never rejects. */
  readonly #newest = new Map<string, Promise<unknown>>()

  /** Resolves or rejects with the result of `work`, which begins once all earlier work of that key has ended. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#newest.get(key) ?? Promise.resolve()).then(work)
    const settled = result.catch(() => {})
    this.#newest.set(key, settled)
    try {
      return await result
    } finally {
      if (this.#newest.get(key) === settled) this.#newest.delete(key)
    }
  }
}
