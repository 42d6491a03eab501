/** In this time, half of what a client has spent is forgotten. */
const halfLifeMs = 3000
/** Less counts as nothing. */
const leastMs = 1
/** Of this many clients more is known than that they wait. */
const maxClients = 10_000

interface Spent {
  readonly ms: number
  /** When it was as much. */
  readonly atMs: number
}

/** How much time each client has spent lately. What is long ago counts for less and less, and then is forgotten. */
export class RecentSpending {
  /** By client, the one that has spent nothing for the longest time first. */
  readonly #spent = new Map<string, Spent>()
  readonly #now: () => number

  /** `now`: milliseconds, by a clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** In milliseconds. */
  of(client: string): number {
    const spent = this.#spent.get(client)
    return spent === undefined ? 0 : this.#left(spent, this.#now())
  }

  add(client: string, ms: number): void {
    const atMs = this.#now()
    const before = this.#spent.get(client)
    if (before) this.#spent.delete(client)
    else this.#forget(atMs)
    this.#spent.set(client, { ms: ms + (before ? this.#left(before, atMs) : 0), atMs })
  }

  /** How many clients it knows of. */
  get size(): number {
    return this.#spent.size
  }

  #left({ ms, atMs }: Spent, nowMs: number): number {
    const left = ms * 2 ** ((atMs - nowMs) / halfLifeMs)
    return left < leastMs ? 0 : left
  }

  #forget(nowMs: number): void {
    for (const [client, spent] of this.#spent) {
      if (this.#spent.size < maxClients && this.#left(spent, nowMs) > 0) break
      this.#spent.delete(client)
    }
  }
}
