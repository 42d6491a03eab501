import { ExtendedCookieJar } from 'yahoo-finance2/lib/cookieJar'
import getCrumb from 'yahoo-finance2/lib/getCrumb'
import { refusalWithin } from './errors.ts'

/*
 * All that this program uses of yahoo-finance2, and what it relies on. yahoo-finance2.test.ts and session.test.ts fail if that
 * changes.
 *
 * - lib/getCrumb, exported: fetches a cookie and a crumb with the given `fetch`, follows Yahoo's consent pages, and puts the
 *   cookies into the jar. It caches the crumb by jar for ever, so a new crumb takes a new jar. It shows notices, and logs the
 *   crumb, only through the objects that it is given.
 * - lib/cookieJar, exported: tough-cookie's jar with setFromSetCookieHeaders, which getCrumb calls.
 *
 * The library's own calls (quote, chart, search) are not used. Their validator prints whole schemas to the console when a row
 * is malformed, reads the text '1,234.5' as the number 1, and takes 15 ms for 100 quotes even with `validateResult: false`.
 */

export interface YahooAnswer {
  /** As parsed from JSON. */
  readonly body: unknown
  /** When Yahoo gave it by its own clock, in epoch milliseconds; null: it does not say. */
  readonly saidAtMs: number | null
}

/** Cookie and crumb, and the requests that are made with them. */
export interface YahooSession {
  /**
   * Yahoo's answer, unchecked. Throws the error of `fetch`, YahooRefusal for an error within the answer, and
   * SyntaxError if it is not JSON.
   */
  ask(url: string, params: Readonly<Record<string, string>>): Promise<YahooAnswer>
  /** Fetches the cookie and the crumb. After a failure it may be called again; for another crumb open another session. */
  fetchCrumb(): Promise<string>
}

/** `fetch`: throws where the status is not 2xx. */
export function yahooSession(fetch: typeof globalThis.fetch): YahooSession {
  const cookieJar = new TolerantCookieJar()

  async function ask(url: string, params: Readonly<Record<string, string>>): Promise<YahooAnswer> {
    const asked = `${url}?${new URLSearchParams(params)}`
    const cookie = await cookieJar.getCookieString(asked, { allPaths: true })
    const response = await fetch(asked, { headers: { cookie } })
    await cookieJar.setFromSetCookieHeaders(response.headers.getSetCookie(), asked)
    const body: unknown = JSON.parse(await response.text())
    const refusal = refusalWithin(body)
    if (refusal) throw refusal
    const saidAtMs = Date.parse(response.headers.get('date') ?? '')
    return { body, saidAtMs: Number.isNaN(saidAtMs) ? null : saidAtMs }
  }

  async function fetchCrumb(): Promise<string> {
    const crumb = await getCrumb(cookieJar, fetch, {}, quiet, noNotices)
    if (crumb === null) throw new Error('Yahoo gave no crumb')
    return crumb
  }

  return { ask, fetchCrumb }
}

/** Takes the cookies that it can: one for a foreign domain is no reason to refuse the answer. */
class TolerantCookieJar extends ExtendedCookieJar {
  override async setFromSetCookieHeaders(headers: string | string[], url: string): Promise<void> {
    for (const header of [headers].flat()) await super.setFromSetCookieHeaders(header, url).catch(() => undefined)
  }
}

const nothing = (): void => undefined
const quiet = { info: nothing, warn: nothing, error: nothing, debug: nothing, dir: nothing }
/** The type is a class that wants a whole client; getCrumb calls `show` alone. */
const noNotices = { show: nothing } as unknown as Parameters<typeof getCrumb>[4]
