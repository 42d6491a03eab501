import { LRUCache } from 'lru-cache'
import type { InstrumentMatch } from '../domain/instrument.ts'
import type { CacheResult } from './cache-metrics.ts'
import type { MarketSource } from './market-source.ts'

const maxSearches = 2000
const lifetimeMs = 300_000

interface Search {
  readonly text: string
  readonly limit: number
}

export interface SearchCacheOptions {
  readonly source: Pick<MarketSource, 'search'>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly count: (result: CacheResult) => void
}

/** What was found, for all requests of this process. A search that fails is not remembered. */
export class SearchCache {
  readonly #count: (result: CacheResult) => void
  readonly #found: LRUCache<string, readonly InstrumentMatch[], Search>

  constructor({ source, now, count }: SearchCacheOptions) {
    this.#count = count
    this.#found = new LRUCache({
      max: maxSearches,
      ttl: lifetimeMs,
      perf: { now },
      ttlResolution: 0,
      ignoreFetchAbort: true,
      fetchMethod: (_key, _before, { context }) => source.search(context.text, context.limit),
    })
  }

  /** Rejects with what the source fails with. */
  async find(text: string, limit: number): Promise<readonly InstrumentMatch[]> {
    const status: LRUCache.Status<string, readonly InstrumentMatch[], Search> = {}
    try {
      return await this.#found.forceFetch(`${limit} ${text}`, { context: { text, limit }, status })
    } finally {
      this.#count(status.fetch === 'hit' || status.fetch === 'inflight' ? 'hit' : 'miss')
    }
  }
}
