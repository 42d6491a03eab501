import { FinstageError } from '../../domain/errors.ts'

/**
 * SQLSTATEs that concern the state of the database rather than the statement: connections (08), no access (28, 3D000),
 * resources (53), an operator (57), the machine (58), read-only or without rights (25006, 42501), idle for too long
 * (25P03, 25P04), a lock not available (55P03), a transaction that lost against another (40).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const outages = /^(08|28|3D000|53|57|58|25006|42501|25P0[34]|55P03|40)/
const systemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'EACCES',
  'EMFILE',
  'ENFILE',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ENOTFOUND',
])
/** node-postgres gives these no code. */
const codeless =
  /connection terminated|timeout expired|timeout exceeded when trying to connect|query read timeout|not queryable|after calling end on the pool/i
/** No answer came: another try would take as long. */
const silences = /connection timeout|timeout expired|query read timeout/i
/** Reads may still work. */
const refusedWrites = /^(53100|25006)$/
const conflicts = /^(40001|40P01)$/

const unavailableForSeconds = 1
const refusedForSeconds = 10

const sqlState = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** Whether a query failed because of the database's state, and not because of the query. */
export function isOutage(error: unknown): boolean {
  if (error instanceof FinstageError) return error.code === 'UNAVAILABLE'
  const code = sqlState(error)
  if (code !== '') return outages.test(code) || systemCodes.has(code)
  return error instanceof Error && codeless.test(error.message)
}

/** Whether the database did not answer in time. */
export const isSilence = (error: unknown): boolean =>
  error instanceof Error && sqlState(error) === '' && silences.test(error.message)

/** Whether the database is full or read-only. */
export const refusesWrites = (error: unknown): boolean => refusedWrites.test(sqlState(error))

/** Whether a transaction lost against another one: it was rolled back as a whole, and the next try may succeed. */
export const isConflict = (error: unknown): boolean => conflicts.test(sqlState(error))

/** Whether the server has no connection left. */
export const isFull = (error: unknown): boolean => sqlState(error) === '53300'

/** Turns an outage into UNAVAILABLE, which clients may see. Returns every other error unchanged. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof FinstageError || !isOutage(error)) return error
  return refusesWrites(error)
    ? unavailable('The database accepts no changes at the moment', refusedForSeconds, error)
    : unavailable('The database is out of reach at the moment', unavailableForSeconds, error)
}

/** UNAVAILABLE, without having asked the database. */
export const databaseBusy = (): FinstageError =>
  unavailable('The database is out of reach at the moment', unavailableForSeconds)

function unavailable(message: string, retryAfterSeconds: number, cause?: unknown): FinstageError {
  return new FinstageError('UNAVAILABLE', message, { retryAfterSeconds }, cause)
}
