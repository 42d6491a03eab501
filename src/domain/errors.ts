/** Every way in which Finstage says no. The same words stand in `extensions.code` of a GraphQL error. */
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

/** What a client gets beside the code and the message, under `extensions`. */
export interface ErrorDetails {
  /** The argument or input field that was wrong. */
  readonly field?: string
  readonly symbol?: string
  readonly retryAfterSeconds?: number
  /** How many days back the source goes for the interval asked. */
  readonly reachDays?: number
}

const temporaryCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SOURCE_UNAVAILABLE',
  'SOURCE_RATE_LIMITED',
  'LIMIT_EXCEEDED',
  'UNAVAILABLE',
  'TIMEOUT',
])

/** The one family of errors whose message is meant for the client. Anything else reaches it as INTERNAL. */
export class FinstageError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'FinstageError'
    this.code = code
    this.details = details
  }

  /** Whether the same request may succeed later: what is not temporary is not tried again. */
  get temporary(): boolean {
    return isTemporary(this.code)
  }
}

export const isTemporary = (code: ErrorCode): boolean => temporaryCodes.has(code)

export const badInput = (message: string, field?: string): FinstageError =>
  new FinstageError('BAD_USER_INPUT', message, field === undefined ? {} : { field })

export const symbolNotFound = (symbol: string): FinstageError =>
  new FinstageError('SYMBOL_NOT_FOUND', `The source knows no symbol ${symbol}`, { symbol })

/** 0: no time has to pass, but the client has to make room itself. */
export const limitExceeded = (message: string, retryAfterSeconds: number): FinstageError =>
  new FinstageError('LIMIT_EXCEEDED', message, { retryAfterSeconds })

/** What a stream ends with that may not leave anything out, when its reader takes too little of it. */
export const readerTooSlow = (waiting: number, what: string): FinstageError =>
  limitExceeded(`More than ${waiting} ${what} waited to be read: the stream has ended`, 0)

export const noPrice = (symbol: string): FinstageError =>
  new FinstageError('NO_DATA', `The source knows ${symbol}, but has no price for it`, { symbol })
