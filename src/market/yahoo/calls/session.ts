import { YahooFinance } from 'yahoo-finance2/createYahooFinance'
import { ExtendedCookieJar } from 'yahoo-finance2/lib/cookieJar'
import getCrumb from 'yahoo-finance2/lib/getCrumb'
import { refusalWithin } from './errors.ts'

export interface YahooAnswer {
  /** As parsed from JSON. */
  readonly body: unknown
  /** When Yahoo gave it by its own clock, in epoch milliseconds; null: it does not say. */
  readonly saidAtMs: number | null
}

/** Cookie and crumb, and the requests that are made with them. */
export interface YahooSession {
  /** Yahoo's answer, unchecked. Throws what `fetch` threw, and YahooRefusal where there is an error within. */
  ask(url: string, params: Readonly<Record<string, string>>): Promise<YahooAnswer>
  /** Fetches the cookie and the crumb, anew at every call. */
  fetchCrumb(): Promise<string>
}

/**
 * yahoo-finance2's session without its validator: that one prints whole schemas to the console where a row is malformed, reads
 * the text '1,234.5' as the number 1, and takes 15 ms for 100 quotes even with `validateResult: false`. The library keeps a
 * crumb by its cookie jar, for ever: the way to a new crumb is a new session.
 */
export function yahooSession(fetch: typeof globalThis.fetch): YahooSession {
  const cookieJar = new TolerantCookieJar()
  const yahoo = new YahooFinance({
    fetch,
    cookieJar,
    logger: quiet,
    suppressNotices: ['yahooSurvey'],
    versionCheck: false,
    // How many calls run is limited for each endpoint (yahoo-policy.ts): nothing is to wait here, where it would be unseen.
    queue: { concurrency: 1000 },
  })

  async function ask(url: string, params: Readonly<Record<string, string>>): Promise<YahooAnswer> {
    let date: string | null = null
    const dated: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      date = response.headers.get('date')
      return response
    }
    // Asked for 'json' the library would throw an error within an answer without its code.
    const body = await yahoo._fetch(url, { ...params }, { fetch: dated }, 'unchecked')
    const refusal = refusalWithin(body)
    if (refusal) throw refusal
    const saidAtMs = Date.parse(date ?? '')
    return { body, saidAtMs: Number.isNaN(saidAtMs) ? null : saidAtMs }
  }

  async function fetchCrumb(): Promise<string> {
    const crumb = await getCrumb(cookieJar, fetch, {}, quiet, yahoo._notices)
    if (crumb === null) throw new Error('Yahoo gave no crumb')
    return crumb
  }

  return { ask, fetchCrumb }
}

/** The library does not await this for an answer's cookies: one for a foreign domain would end the process. */
class TolerantCookieJar extends ExtendedCookieJar {
  override async setFromSetCookieHeaders(headers: string | string[], url: string): Promise<void> {
    for (const header of [headers].flat()) await super.setFromSetCookieHeaders(header, url).catch(() => undefined)
  }
}

const nothing = (): void => undefined
const quiet = { info: nothing, warn: nothing, error: nothing, debug: nothing, dir: nothing }
