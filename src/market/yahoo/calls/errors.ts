import { isBrokenCircuitError, isBulkheadRejectedError } from 'cockatiel'
import { FinstageError, symbolNotFound } from '../../../domain/errors.ts'
import { BodyTooLarge } from './body.ts'

/** A refusal by Yahoo. Holds what Yahoo said and never the address, which contains the crumb. */
export class YahooRefusal extends Error {
  readonly status: number
  /** Yahoo's own code, as 'Not Found' or 'Unprocessable Entity'; null if the answer did not have Yahoo's form. */
  readonly code: string | null
  readonly description: string
  readonly retryAfterSeconds: number | null

  constructor(status: number, text: string, retryAfterSeconds: number | null) {
    const said = saidIn(text)
    super(`Yahoo answered ${status}: ${said.description}`)
    this.name = 'YahooRefusal'
    this.status = status
    this.code = said.code
    this.description = said.description
    this.retryAfterSeconds = retryAfterSeconds
  }

  /** Yahoo sends the words under other statuses too. */
  get isRateLimit(): boolean {
    return this.status === 429 || /too many requests/i.test(this.description)
  }
}

/** The error within an answer of status 200; null: there is none. */
export function refusalWithin(body: unknown): YahooRefusal | null {
  if (typeof body !== 'object' || body === null) return null
  const [inner, ...others] = Object.values(body)
  const says = typeof inner === 'object' && inner !== null && 'error' in inner && inner.error
  return says && others.length === 0 ? new YahooRefusal(200, JSON.stringify(body), null) : null
}

/** Yahoo wraps errors as `{ "chart": { "result": null, "error": { code, description } } }`; the outer name varies. */
function saidIn(text: string): { code: string | null; description: string } {
  try {
    const [inner] = Object.values(JSON.parse(text))
    const error = (inner as { error?: { code?: unknown; description?: unknown } }).error
    if (error) return { code: String(error.code), description: brief(String(error.description)) }
  } catch {
    // Not Yahoo's form: the text itself is all there is.
  }
  return { code: null, description: brief(text) }
}

const brief = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text)

/** Whether a fresh cookie and crumb may help. Any other 401 or 403 means that we are blocked. */
export function namesCrumb(error: unknown): boolean {
  if (!(error instanceof YahooRefusal) || (error.status !== 401 && error.status !== 403)) return false
  return /crumb|invalid cookie/i.test(error.description)
}

/** Whether the same request may succeed in a moment: no answer (in time), an unreadable one, or a 5xx. */
export function mayPass(error: unknown): boolean {
  if (error instanceof YahooRefusal) return error.status >= 500
  return !(error instanceof FinstageError || error instanceof BodyTooLarge || keptBack(error) !== null)
}

/** Whether Yahoo failed, rather than refused. */
export const isFailure = (error: unknown): boolean => mayPass(error) || error instanceof BodyTooLarge

export const rateLimited = (retryAfterSeconds: number, cause?: YahooRefusal): FinstageError =>
  new FinstageError('SOURCE_RATE_LIMITED', 'Yahoo accepts no more requests for now', { retryAfterSeconds }, cause)

/** Turns whatever a call of Yahoo threw into a FinstageError. */
export function sourceError(error: unknown): FinstageError {
  if (error instanceof FinstageError) return error
  const said = error instanceof YahooRefusal ? ` (status ${error.status})` : ''
  const message = keptBack(error) ?? `Yahoo could not be reached or understood${said}`
  return new FinstageError('SOURCE_UNAVAILABLE', message, {}, shortened(error))
}

/** Why a call was not sent; null: it was. */
function keptBack(error: unknown): string | null {
  if (isBrokenCircuitError(error)) return 'Yahoo failed too often, so it gets no requests for now'
  return isBulkheadRejectedError(error) ? 'Too many calls wait for Yahoo' : null
}

/** An error's message may quote a whole body. */
function shortened(error: unknown): unknown {
  if (!(error instanceof Error) || error.message.length <= 300) return error
  return new Error(brief(error.message))
}

/**
 * Like `sourceError`, for a request for a symbol's candles. null: Yahoo has none in the range, which is an answer too.
 */
export function chartError(error: unknown, symbol: string): FinstageError | null {
  if (!(error instanceof YahooRefusal)) return sourceError(error)
  const { status, code, description } = error
  if (/data doesn't exist for startdate/i.test(description)) return null
  if (/no data found|may be delisted/i.test(description) || (status === 404 && code === 'Not Found')) {
    return symbolNotFound(symbol)
  }
  const reach = /must be within the last (\d+) days/i.exec(description)?.[1]
  if (reach !== undefined || status === 422) {
    const details = reach === undefined ? { symbol } : { symbol, reachDays: Number(reach) }
    return new FinstageError('RANGE_NOT_AVAILABLE', `Yahoo does not serve this range: ${description}`, details, error)
  }
  return sourceError(error)
}
