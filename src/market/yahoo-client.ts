import { YahooFinance } from 'yahoo-finance2/createYahooFinance'
import { ExtendedCookieJar } from 'yahoo-finance2/lib/cookieJar'
import type { Logger } from '../platform/logger.ts'
import { namesCrumb } from './yahoo-errors.ts'
import { type YahooFetchOptions, yahooFetch } from './yahoo-fetch.ts'

export interface YahooClientOptions extends YahooFetchOptions {
  readonly logger: Pick<Logger, 'warn'> | undefined
}

/** Yahoo's answers as parsed from JSON, unchecked. Whatever is no answer is thrown. */
export interface YahooClient {
  quote(symbols: readonly string[]): Promise<unknown>
  chart(symbol: string, params: ChartParams): Promise<unknown>
}

export interface ChartParams {
  readonly interval: string
  /** Epoch seconds, inclusive. */
  readonly period1: number
  /** Epoch seconds. */
  readonly period2: number
  readonly includePrePost: boolean
}

const host = 'https://query2.finance.yahoo.com'

/**
 * yahoo-finance2's session (cookie, crumb, queue of four calls at a time) without its validator: that one prints whole schemas
 * to the console where a row is malformed, reads the text '1,234.5' as the number 1, and takes 15 ms for 100 quotes even with
 * `validateResult: false`.
 */
export function yahooClient({ logger, ...options }: YahooClientOptions): YahooClient {
  const fetch = yahooFetch(options)
  let session = openSession(fetch)

  async function quote(symbols: readonly string[]): Promise<unknown> {
    const used = session
    try {
      return await askQuote(used, symbols)
    } catch (error) {
      if (!namesCrumb(error)) throw error
      // Callers that failed together share the session that the first of them opens.
      if (session === used) {
        logger?.warn({ err: error }, 'Yahoo refused the crumb: asking for a new one')
        session = openSession(fetch)
      }
      return await askQuote(session, symbols)
    }
  }

  function chart(symbol: string, { interval, period1, period2, includePrePost }: ChartParams): Promise<unknown> {
    const params = { interval, period1: String(period1), period2: String(period2) }
    return session._fetch(`${host}/v8/finance/chart/${encodeURIComponent(symbol)}`, {
      useYfid: 'true',
      includePrePost: String(includePrePost),
      events: 'div|split|earn',
      lang: 'en-US',
      ...params,
    })
  }

  return { quote, chart }
}

const askQuote = (session: YahooFinance, symbols: readonly string[]): Promise<unknown> =>
  session._fetch(`${host}/v7/finance/quote`, { symbols: symbols.join(',') }, {}, 'json', true)

/** The library keeps a crumb by its cookie jar, for ever: the way to a new crumb is a new jar. */
function openSession(fetch: typeof globalThis.fetch): YahooFinance {
  return new YahooFinance({
    fetch,
    cookieJar: new TolerantCookieJar(),
    logger: quiet,
    suppressNotices: ['yahooSurvey'],
    versionCheck: false,
  })
}

/** The library does not await this for an answer's cookies: one for a foreign domain would end the process. */
class TolerantCookieJar extends ExtendedCookieJar {
  override async setFromSetCookieHeaders(headers: string | string[], url: string): Promise<void> {
    for (const header of [headers].flat()) await super.setFromSetCookieHeaders(header, url).catch(() => undefined)
  }
}

const nothing = (): void => undefined
const quiet = { info: nothing, warn: nothing, error: nothing, debug: nothing, dir: nothing }
