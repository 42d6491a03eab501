import { LRUCache } from 'lru-cache'
import type { InstrumentMatch } from '../domain/instrument.ts'
import type { CacheResult } from './cache-metrics.ts'
import type { CallBudget } from './call-budget.ts'
import type { MarketSource } from './source.ts'

const maxSearches = 2000
const lifetimeMs = 300_000

interface Search {
  readonly text: string
  readonly limit: number
  readonly budget: CallBudget | undefined
}

export interface SearchCacheOptions {
  readonly source: Pick<MarketSource, 'search'>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly count: (result: CacheResult) => void
}

/** Caches search results for all requests of this process. Failed searches are not kept. */
export class SearchCache {
  readonly #count: (result: CacheResult) => void
  readonly #found: LRUCache<string, readonly InstrumentMatch[], Search>
  readonly #underWay = new Set<string>()

  constructor({ source, now, count }: SearchCacheOptions) {
    this.#count = count
    this.#found = new LRUCache({
      max: maxSearches,
      ttl: lifetimeMs,
      perf: { now },
      ttlResolution: 0,
      ignoreFetchAbort: true,
      fetchMethod: (key, _before, { context }) => {
        this.#underWay.add(key)
        return source.search(context.text, context.limit, context.budget).finally(() => this.#underWay.delete(key))
      },
    })
  }

  /** Rejects with the source's error, or with LIMIT_EXCEEDED. */
  async find(text: string, limit: number, budget?: CallBudget): Promise<readonly InstrumentMatch[]> {
    const key = `${limit} ${text}`
    if (!this.#found.has(key) && !this.#underWay.has(key)) budget?.take()
    const status: LRUCache.Status<string, readonly InstrumentMatch[], Search> = {}
    try {
      return await this.#found.forceFetch(key, { context: { text, limit, budget }, status })
    } finally {
      this.#count(status.fetch === 'hit' || status.fetch === 'inflight' ? 'hit' : 'miss')
    }
  }
}
