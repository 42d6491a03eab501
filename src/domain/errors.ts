/** All error codes that clients see, in `extensions.code` of a GraphQL error. */
export const errorCodes = [
  'BAD_USER_INPUT',
  'SYMBOL_NOT_FOUND',
  'NO_DATA',
  'RANGE_NOT_AVAILABLE',
  'SOURCE_UNAVAILABLE',
  'SOURCE_RATE_LIMITED',
  'NOT_FOUND',
  'WRONG_STATE',
  'LIMIT_EXCEEDED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'TIMEOUT',
  'CANCELLED',
  'INTERNAL',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** What a client gets besides code and message, under `extensions`. */
export interface ErrorDetails {
  /** The argument or input field that was wrong. */
  readonly field?: string
  readonly symbol?: string
  readonly retryAfterSeconds?: number
  /** How many days of history the source has for the requested interval. */
  readonly reachDays?: number
}

const temporaryCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SOURCE_UNAVAILABLE',
  'SOURCE_RATE_LIMITED',
  'LIMIT_EXCEEDED',
  'UNAVAILABLE',
  'TIMEOUT',
])

/** The only errors whose message is meant for clients. Anything else reaches them as INTERNAL. */
export class FinstageError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'FinstageError'
    this.code = code
    this.details = details
  }

  /** Whether the same request may succeed later. Errors that are not temporary are not retried. */
  get temporary(): boolean {
    return isTemporary(this.code)
  }
}

export const isTemporary = (code: ErrorCode): boolean => temporaryCodes.has(code)

export const badInput = (message: string, field?: string): FinstageError =>
  new FinstageError('BAD_USER_INPUT', message, field === undefined ? {} : { field })

export const symbolNotFound = (symbol: string): FinstageError =>
  new FinstageError('SYMBOL_NOT_FOUND', `The source knows no symbol ${symbol}`, { symbol })

/** `retryAfterSeconds` 0: waiting does not help; the client has to free something. */
export const limitExceeded = (message: string, retryAfterSeconds: number): FinstageError =>
  new FinstageError('LIMIT_EXCEEDED', message, { retryAfterSeconds })

/** The last event of a stream that must not skip anything, if its reader is too slow. */
export const readerTooSlow = (waiting: number, what: string): FinstageError =>
  limitExceeded(`More than ${waiting} ${what} waited to be read: the stream has ended`, 0)

export const noPrice = (symbol: string): FinstageError =>
  new FinstageError('NO_DATA', `The source knows ${symbol}, but has no price for it`, { symbol })
