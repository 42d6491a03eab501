const perMs = 4
const longestMs = 60_000

/** Delays of any number of messages in fixed space, to a quarter of a millisecond, up to a minute. */
export class Delays {
  readonly #counts = new Uint32Array(longestMs * perMs + 1)
  #count = 0

  get count(): number {
    return this.#count
  }

  add(delayMs: number): void {
    const index = Math.min(longestMs * perMs, Math.max(0, Math.floor(delayMs * perMs)))
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#count += 1
  }

  /** By the nearest rank, in milliseconds; NaN if there are none. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#count * share))
    let seen = 0
    for (const [index, count] of this.#counts.entries()) {
      seen += count
      if (seen >= rank) return index / perMs
    }
    return Number.NaN
  }
}
