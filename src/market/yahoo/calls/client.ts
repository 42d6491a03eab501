import type { Logger } from '../../../platform/logger.ts'
import { quoteParams } from '../quote.ts'
import { namesCrumb, sourceError } from './errors.ts'
import { type YahooFetchOptions, yahooFetch } from './fetch.ts'
import type { YahooEndpoint } from './metrics.ts'
import { YahooPolicy, type YahooPolicyOptions } from './policy.ts'
import { RetryBudget } from './retry-budget.ts'
import { type YahooAnswer, type YahooSession, yahooSession } from './session.ts'

export interface YahooClientOptions extends YahooFetchOptions {
  readonly logger: Pick<Logger, 'warn'> | undefined
  readonly policy: YahooPolicyOptions
  /** Milliseconds of a monotonic clock. */
  readonly steadyMs: () => number
}

/** Yahoo's answers, unchecked. Anything that is not an answer is thrown. */
export interface YahooClient {
  quote(symbols: readonly string[], operation?: object): Promise<YahooAnswer>
  chart(symbol: string, params: ChartParams, operation?: object): Promise<YahooAnswer>
  search(text: string, limit: number, operation?: object): Promise<YahooAnswer>
  /** Fetches the cookie and the crumb ahead of the first quote. */
  openSession(): Promise<void>
}

export interface ChartParams {
  readonly interval: string
  /** Epoch seconds, inclusive. */
  readonly period1: number
  /** Epoch seconds. */
  readonly period2: number
  readonly includePrePost: boolean
}

/** `crumb`: shared by all callers, once it is asked for. */
interface Opened {
  readonly session: YahooSession
  crumb: Promise<string> | undefined
}

const host = 'https://query2.finance.yahoo.com'
const renewalEveryMs = 1000
/**
 * In requests: the cookie, the crumb, and one repeated request for each of the four calls that may have been under way.
 */
const renewalCost = 6

/** Gives every endpoint its own policy; repeated requests after failures are paid from one budget. */
export function yahooClient({ logger, policy, steadyMs, ...options }: YahooClientOptions): YahooClient {
  const { metrics } = options
  const fetch = yahooFetch(options)
  const budget = new RetryBudget()
  const policyOf = (endpoint: YahooEndpoint) => new YahooPolicy({ endpoint, now: steadyMs, budget, metrics }, policy)
  const policies = {
    quote: policyOf('quote'),
    chart: policyOf('chart'),
    search: policyOf('search'),
    crumb: policyOf('crumb'),
  }
  let current = newSession()
  let renewedAtMs = Number.NEGATIVE_INFINITY

  function newSession(): Opened {
    return { session: yahooSession(fetch), crumb: undefined }
  }

  /**
   * Converted to a FinstageError here: a failure to open a session must not count as a failure of the quote that waits
   * for it.
   */
  function crumbOf(opened: Opened): Promise<string> {
    opened.crumb ??= policies.crumb.execute(opened.session.fetchCrumb).catch((error: unknown) => {
      opened.crumb = undefined
      throw sourceError(error)
    })
    return opened.crumb
  }

  async function quote(symbols: readonly string[], operation?: object): Promise<YahooAnswer> {
    let used = current
    const ask = () =>
      policies.quote.execute(async () => {
        used = current
        const crumb = await crumbOf(used)
        return await used.session.ask(`${host}/v7/finance/quote`, { symbols: symbols.join(','), ...quoteParams, crumb })
      }, operation)
    try {
      return await ask()
    } catch (error) {
      if (!namesCrumb(error)) throw error
      // Callers that fail together share the session that the first of them opens.
      if (used === current && !renew(error)) throw error
      return await ask()
    }
  }

  /** false: not now. If Yahoo refuses every crumb, a new one for every call would be a storm of requests. */
  function renew(reason: unknown): boolean {
    if (steadyMs() - renewedAtMs < renewalEveryMs || !budget.take(renewalCost)) return false
    renewedAtMs = steadyMs()
    logger?.warn({ err: reason }, 'Yahoo refused the crumb: asking for a new one')
    current = newSession()
    return true
  }

  function chart(
    symbol: string,
    { interval, period1, period2, includePrePost }: ChartParams,
    operation?: object,
  ): Promise<YahooAnswer> {
    const params = {
      useYfid: 'true',
      includePrePost: String(includePrePost),
      // As Yahoo's website names them; the answer has `dividends`, `splits` and `capitalGains`.
      events: 'capitalGain|div|split',
      lang: 'en-US',
      interval,
      period1: String(period1),
      period2: String(period2),
    }
    const url = `${host}/v8/finance/chart/${encodeURIComponent(symbol)}`
    return policies.chart.execute(() => current.session.ask(url, params), operation)
  }

  function search(text: string, limit: number, operation?: object): Promise<YahooAnswer> {
    const params = { ...searchParams, quotesCount: String(limit), newsCount: '0', q: text }
    return policies.search.execute(() => current.session.ask(`${host}/v1/finance/search`, params), operation)
  }

  async function openSession(): Promise<void> {
    await crumbOf(current)
  }

  return { quote, chart, search, openSession }
}

/** The parameters that yahoo-finance2 sends. */
const searchParams = {
  lang: 'en-US',
  region: 'US',
  enableFuzzyQuery: 'false',
  quotesQueryId: 'tss_match_phrase_query',
  multiQuoteQueryId: 'multi_quote_single_token_query',
  newsQueryId: 'news_cie_vespa',
  enableCb: 'true',
  enableNavLinks: 'true',
  enableEnhancedTrivialQuery: 'true',
}
