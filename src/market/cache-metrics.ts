import { Counter, type Registry } from 'prom-client'

/** 'stale': a last known value stood in for a newer one that was not available. */
export type CacheResult = (typeof cacheResults)[number]
const cacheResults = ['hit', 'miss', 'stale'] as const

/** Counts how often the caches of this process were asked, and with which result. */
export class CacheMetrics {
  /** Counts since the last scrape. Counting by labels each time would cost as much as the cache lookup. */
  readonly #counts = new Map<string, Record<CacheResult, number>>()

  constructor(registry: Registry) {
    const counts = this.#counts
    new Counter({
      name: 'finstage_cache_requests_total',
      help: 'What was asked of the caches: hit (at hand or on its way), miss (asked of the source), stale (the last known)',
      labelNames: ['cache', 'result'],
      registers: [registry],
      collect() {
        for (const [cache, results] of counts) {
          for (const result of cacheResults) {
            if (results[result] > 0) this.inc({ cache, result }, results[result])
            results[result] = 0
          }
        }
      },
    })
  }

  counter(cache: 'quote' | 'search' | 'candles'): (result: CacheResult) => void {
    const results = { hit: 0, miss: 0, stale: 0 }
    this.#counts.set(cache, results)
    return (result) => {
      results[result]++
    }
  }
}
