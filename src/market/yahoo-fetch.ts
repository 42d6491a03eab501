import { YahooRefusal } from './yahoo-errors.ts'

export interface YahooFetchOptions {
  /** Where every call goes instead of Yahoo's hosts, path and query kept. */
  readonly baseUrl: string | undefined
  readonly fetch: typeof fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** For one call with its redirects, until the last byte of the body. */
  readonly timeoutMs: number
}

const maxRedirects = 5

/**
 * The `fetch` that yahoo-finance2 is given. It refuses here what the library would take for an answer (the text of a 429 as
 * the crumb) or would print to the console together with the crumb (every status but 2xx), and keeps Retry-After.
 */
export function yahooFetch(options: YahooFetchOptions): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const timed = { ...init, signal: AbortSignal.timeout(options.timeoutMs) }
    const response = await send(options, url, timed)
    return await accepted(response, url, options.now())
  }
}

async function send(options: YahooFetchOptions, url: URL, init: RequestInit, redirects = 0): Promise<Response> {
  const { baseUrl, fetch } = options
  if (baseUrl === undefined) return await fetch(url, init)
  // A redirect names one of Yahoo's hosts again, so that following it cannot be left to fetch.
  const response = await fetch(moved(url, baseUrl), { ...init, redirect: 'manual' })
  const location = response.headers.get('location')
  if (init.redirect === 'manual' || location === null || response.status < 300 || response.status > 399) return response
  if (redirects === maxRedirects) throw new Error('Too many redirects')
  await response.body?.cancel()
  return await send(options, new URL(location, url), init, redirects + 1)
}

/** Set part by part: a path that begins with // would name a host if it were resolved against the base. */
function moved(url: URL, baseUrl: string): URL {
  const target = new URL(baseUrl)
  target.pathname = url.pathname
  target.search = url.search
  return target
}

async function accepted(response: Response, url: URL, nowMs: number): Promise<Response> {
  const refusal = (text: string) => new YahooRefusal(response.status, text, retryAfterSeconds(response, nowMs))
  if (!url.hostname.startsWith('query')) {
    // A page is asked for its cookies alone: they count, whatever the status.
    if (response.ok || response.status < 400 || response.headers.has('set-cookie')) return response
    throw refusal(await response.text())
  }
  if (!response.ok) throw refusal(await response.text())
  if (!url.pathname.endsWith('/getcrumb')) return response
  const text = await response.text()
  if (!isCrumb(text)) throw refusal(`Not a crumb: ${text}`)
  return new Response(text)
}

/** Eleven letters, digits, dots and slashes as far as anybody has seen: no blanks, no markup, no JSON. */
const isCrumb = (text: string): boolean => /^[\w./~+=-]{6,64}$/.test(text)

/** Whole seconds or a date (RFC 9110, 10.2.3). */
function retryAfterSeconds(response: Response, nowMs: number): number | null {
  const value = response.headers.get('retry-after')
  if (value === null) return null
  if (/^\d+$/.test(value)) return Number(value)
  const seconds = Math.ceil((Date.parse(value) - nowMs) / 1000)
  return Number.isNaN(seconds) ? null : Math.max(0, seconds)
}
