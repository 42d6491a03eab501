import { type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql'
import { type ErrorCode, errorCodes, FinstageError } from '../../domain/errors.ts'
import type { Logger } from '../../platform/logger.ts'

const codes: ReadonlySet<unknown> = new Set(errorCodes)

/** Gives a client's mistake that graphql-js has found (syntax, validation, a variable of the wrong type) its code. */
export function withCode(error: GraphQLError): GraphQLError {
  error.extensions.code = codeOf(error)
  return error
}

/**
 * What a client sees of an error, on every transport. A FinstageError and a client's mistake stay as they are. Of any
 * other error the client learns only that it happened, and the log gets the rest.
 */
export function maskError(error: unknown, log: Logger): GraphQLError {
  const cause = rootCause(error)
  const place = error instanceof GraphQLError ? placeOf(error) : {}
  if (cause instanceof FinstageError) {
    return new GraphQLError(cause.message, { ...place, extensions: { code: cause.code, ...cause.details } })
  }
  if (cause instanceof GraphQLError && error instanceof GraphQLError) return withCode(error)
  log.error({ err: cause, path: error instanceof GraphQLError ? error.path : undefined }, 'an operation failed')
  return new GraphQLError('Something went wrong on our side', {
    ...place,
    extensions: { code: 'INTERNAL', unexpected: true },
  })
}

/**
 * A masked error as it is sent: without the extensions that are meant for Yoga. Yoga leaves them out of what it sends
 * itself.
 */
export function shownError(error: GraphQLError): GraphQLFormattedError {
  const shown = error.toJSON()
  const { unexpected, http, ...extensions } = shown.extensions ?? {}
  return { ...shown, extensions }
}

/** A result with masked errors as it is sent: see `shownError`. */
export function shownResult(result: {
  readonly errors?: readonly GraphQLError[] | undefined
}): FormattedExecutionResult {
  if (!result.errors) return result as object
  const { errors, ...rest } = result
  return { ...rest, errors: errors.map(shownError) }
}

/** The code that a client sees of an error. */
export function codeOf(error: unknown): ErrorCode {
  const cause = rootCause(error)
  if (cause instanceof FinstageError) return cause.code
  if (!(cause instanceof GraphQLError)) return 'INTERNAL'
  const code = cause.extensions.code
  return codes.has(code) ? (code as ErrorCode) : 'BAD_USER_INPUT'
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootCause(error.originalError) : error
}

const placeOf = ({ nodes, source, positions, path }: GraphQLError): object => ({ nodes, source, positions, path })
