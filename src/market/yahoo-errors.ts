import { FinstageError, symbolNotFound } from '../domain/errors.ts'

/** An answer of Yahoo's that says no. Holds what it said, and never the address, which has the crumb in it. */
export class YahooRefusal extends Error {
  readonly status: number
  /** Yahoo's own words, as 'Not Found' or 'Unprocessable Entity'; null where the answer was not in its form. */
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
}

/** Yahoo wraps its errors as `{ "chart": { "result": null, "error": { code, description } } }`, the outer name varies. */
function saidIn(text: string): { code: string | null; description: string } {
  try {
    const [inner] = Object.values(JSON.parse(text))
    const error = (inner as { error?: { code?: unknown; description?: unknown } }).error
    if (error) return { code: String(error.code), description: brief(String(error.description)) }
  } catch {
    // Not in Yahoo's form: then the text itself is all there is.
  }
  return { code: null, description: brief(text) }
}

const brief = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text)

/** Whether a fresh cookie and crumb may help. Any other 401 or 403 means blocked. */
export function namesCrumb(error: unknown): boolean {
  if (!(error instanceof YahooRefusal) || (error.status !== 401 && error.status !== 403)) return false
  return /crumb|invalid cookie/i.test(error.description)
}

/** The typed form of whatever a call of Yahoo threw. */
export function sourceError(error: unknown): FinstageError {
  if (error instanceof FinstageError) return error
  if (error instanceof YahooRefusal && (error.status === 429 || /too many requests/i.test(error.description))) {
    const { retryAfterSeconds } = error
    const details = retryAfterSeconds === null ? {} : { retryAfterSeconds }
    return new FinstageError('SOURCE_RATE_LIMITED', 'Yahoo takes no more requests for now', details, error)
  }
  const said = error instanceof YahooRefusal ? ` (status ${error.status})` : ''
  return new FinstageError(
    'SOURCE_UNAVAILABLE',
    `Yahoo could not be reached or understood${said}`,
    {},
    shortened(error),
  )
}

/** yahoo-finance2 quotes the whole body in its message. */
function shortened(error: unknown): unknown {
  if (!(error instanceof Error) || error.message.length <= 300) return error
  return new Error(brief(error.message))
}

/** As `sourceError`, where candles of a symbol were asked for. null: Yahoo has none in the range, which is an answer too. */
export function chartError(error: unknown, symbol: string): FinstageError | null {
  const { status, code, description } = refusedAs(error)
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

/** yahoo-finance2 turns an error within a 200 into a plain Error that has the description for its message. */
function refusedAs(error: unknown): { status: number | null; code: string | null; description: string } {
  if (error instanceof YahooRefusal) return error
  return { status: null, code: null, description: error instanceof Error ? error.message : '' }
}
