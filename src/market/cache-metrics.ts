import { Counter, type Registry } from 'prom-client'

/** 'stale': a last known value stood in for what could not be had. */
export type CacheResult = (typeof cacheResults)[number]
const cacheResults = ['hit', 'miss', 'stale'] as const

/** How often the caches of a process were asked, and what came of it. */
export class CacheMetrics {
  /** Since the last look: counting by labels costs as much as a look into a cache. */
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
