import { Counter, type Registry } from 'prom-client'

/** 'stale': a last known value stood in for what could not be had. */
export type CacheResult = 'hit' | 'miss' | 'stale'

/** How often the caches of a process were asked, and what came of it. */
export class CacheMetrics {
  readonly #requests: Counter<'cache' | 'result'>

  constructor(registry: Registry) {
    this.#requests = new Counter({
      name: 'finstage_cache_requests_total',
      help: 'What was asked of the caches: hit (at hand or on its way), miss (asked of the source), stale (the last known)',
      labelNames: ['cache', 'result'],
      registers: [registry],
    })
  }

  counter(cache: 'quote' | 'search' | 'candles'): (result: CacheResult) => void {
    return (result) => this.#requests.inc({ cache, result })
  }
}
