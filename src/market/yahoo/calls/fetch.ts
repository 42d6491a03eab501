import { boundedText } from './body.ts'
import { YahooRefusal } from './errors.ts'
import type { CallOutcome, YahooEndpoint, YahooMetrics } from './metrics.ts'

export interface YahooFetchOptions {
  /** Where all calls go instead of Yahoo's hosts, keeping path and query. */
  readonly baseUrl: string | undefined
  readonly fetch: typeof fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** For one call including its redirects, until the last byte of the body. */
  readonly timeoutMs: number
  readonly metrics: YahooMetrics
}

const maxRedirects = 5
/** Uncompressed. A hundred quotes take a quarter of a megabyte, a week of minutes half of one. */
const mostBytes = 8 * 1024 * 1024

/**
 * The `fetch` of a Yahoo session. It rejects what would be taken for an answer (the text of a 429 as the crumb) and
 * every status other than 2xx, keeps Retry-After and the crumb out of errors, and reads no body without a bound.
 */
export function yahooFetch(options: YahooFetchOptions): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    return await send(options, url, { ...init, signal: AbortSignal.timeout(options.timeoutMs) })
  }
}

async function send(options: YahooFetchOptions, url: URL, init: RequestInit, redirects = 0): Promise<Response> {
  const response = await measured(options, url, () => exchange(options, url, init))
  const location = options.baseUrl === undefined || init.redirect === 'manual' ? null : redirectOf(response)
  if (location === null) return response
  if (redirects === maxRedirects) throw new YahooRefusal(response.status, 'Too many redirects', null)
  return await send(options, new URL(location, url), init, redirects + 1)
}

/** One HTTP request, and as much of its answer as is of use. */
async function exchange({ baseUrl, fetch, now }: YahooFetchOptions, url: URL, init: RequestInit): Promise<Response> {
  if (baseUrl === undefined) return await accepted(await fetch(url, init), url, now())
  // A redirect names one of Yahoo's hosts again, so fetch cannot be left to follow it.
  const response = await fetch(moved(url, baseUrl), { ...init, redirect: 'manual' })
  const isFollowed = init.redirect !== 'manual' && redirectOf(response) !== null
  return isFollowed ? await withoutBody(response) : await accepted(response, url, now())
}

/** Set part by part: resolved against the base, a path that begins with // would name a host. */
function moved(url: URL, baseUrl: string): URL {
  const target = new URL(baseUrl)
  target.pathname = url.pathname
  target.search = url.search
  return target
}

const redirectOf = ({ status, headers }: Response): string | null =>
  status < 300 || status > 399 ? null : headers.get('location')

async function accepted(response: Response, url: URL, nowMs: number): Promise<Response> {
  const { status, headers } = response
  const isPage = !url.hostname.startsWith('query')
  const isForm = url.pathname.endsWith('/collectConsent')
  // A page is fetched only for its cookies: they count whatever the status, and its megabytes are not read.
  const isRefused = isPage ? status >= 400 && !headers.has('set-cookie') : !response.ok
  if (isPage && !isForm && !isRefused) return await withoutBody(response)

  const text = await boundedText(response, mostBytes)
  const refusal = () => new YahooRefusal(status, withoutCrumb(text, url), retryAfterSeconds(response, nowMs))
  if (isRefused) throw refusal()
  if (!isPage && !isReadable(text, url)) throw unreadable(refusal(), url)
  return new Response(text, { status, headers })
}

const isCrumb = (url: URL): boolean => url.pathname.endsWith('/getcrumb')

/** As far as one can see without parsing it. */
const isReadable = (text: string, url: URL): boolean =>
  isCrumb(url) ? isCrumbLike(text) : /^\s*\{/.test(text) && text.trimEnd().endsWith('}')

/** Something else came in place of an answer: an error page, or the text of a 429 with a status of 200. */
const unreadable = (said: YahooRefusal, url: URL): Error =>
  said.isRateLimit ? said : new Error(`Not ${isCrumb(url) ? 'a crumb' : 'JSON'}: ${said.description}`)

/** So far, crumbs have been eleven letters, digits, dots and slashes: no blanks, no markup, no JSON. */
const isCrumbLike = (text: string): boolean => /^[\w./~+=-]{6,64}$/.test(text)

/** An error page may quote the requested address. */
function withoutCrumb(text: string, url: URL): string {
  const crumb = url.searchParams.get('crumb')
  return crumb ? text.replaceAll(crumb, '…').replaceAll(encodeURIComponent(crumb), '…') : text
}

async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel()
  return new Response(null, { status: response.status, headers: response.headers })
}

/**
 * Whole seconds or a date (RFC 9110, 10.2.3). A date is compared with the sender's own clock if the answer states it.
 */
function retryAfterSeconds(response: Response, nowMs: number): number | null {
  const value = response.headers.get('retry-after')
  if (value === null) return null
  if (/^\d+$/.test(value)) return Number(value)
  const sentAtMs = Date.parse(response.headers.get('date') ?? '')
  const seconds = Math.ceil((Date.parse(value) - (Number.isNaN(sentAtMs) ? nowMs : sentAtMs)) / 1000)
  return Number.isNaN(seconds) ? null : Math.max(0, seconds)
}

async function measured<T>({ metrics }: YahooFetchOptions, url: URL, exchange: () => Promise<T>): Promise<T> {
  const startedMs = performance.now()
  const ended = (outcome: CallOutcome) =>
    metrics.called(endpointOf(url.pathname), outcome, (performance.now() - startedMs) / 1000)
  try {
    const answer = await exchange()
    ended('ok')
    return answer
  } catch (error) {
    ended(outcomeOf(error))
    throw error
  }
}

function endpointOf(path: string): YahooEndpoint {
  if (path.startsWith('/v7/finance/quote')) return 'quote'
  if (path.startsWith('/v8/finance/chart/')) return 'chart'
  return path.startsWith('/v1/finance/search') ? 'search' : 'crumb'
}

function outcomeOf(error: unknown): CallOutcome {
  if (error instanceof YahooRefusal) {
    if (error.isRateLimit) return 'rate_limited'
    return error.status >= 400 && error.status < 500 ? 'refused' : 'failed'
  }
  return error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : 'failed'
}
