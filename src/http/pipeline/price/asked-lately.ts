import { LRUCache } from 'lru-cache'

/** Of each kind; further ones take the place of those that were asked longest ago. */
const maxThings = 10_000
/** An indicator is computed anew when the newest candle has moved, which sources tell after 5 to 15 s. */
const computedMs = 10_000

/** `computed`: an indicator of a series. `loaded`: a series itself. */
export type Kind = 'computed' | 'loaded'

/**
 * What operations have asked for lately. It is likely to be in memory, and so costs less. Prices go by this rather than
 * by the memory itself, which only execution finds its way into.
 */
export class AskedLately {
  readonly #things: Readonly<Record<Kind, LRUCache<string, true>>>

  constructor(now: () => number) {
    const clock = { max: maxThings, perf: { now }, ttlResolution: 0 }
    this.#things = { computed: new LRUCache({ ...clock, ttl: computedMs }), loaded: new LRUCache(clock) }
  }

  /** Whether it was asked for before. From now on, it was. */
  has(kind: Kind, name: string): boolean {
    const things = this.#things[kind]
    // What is computed again and again is computed anew all the same when its time is over.
    if (things.get(name)) return true
    things.set(name, true)
    return false
  }
}
