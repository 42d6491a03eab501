import { type ErrorCode as Code, errorCodes } from '../domain/errors.ts'
import { builder } from './builder.ts'

export const ErrorCode = builder.enumType('ErrorCode', {
  description:
    'Every error has one of these in `extensions.code`. NO_DATA: the source knows the symbol but has no price or candles for it. ' +
    'UNAVAILABLE: the server cannot reach its database, or cannot write to it. ' +
    'SOURCE_RATE_LIMITED, LIMIT_EXCEEDED and UNAVAILABLE come with `extensions.retryAfterSeconds`, RANGE_NOT_AVAILABLE with ' +
    '`extensions.reachDays`',
  values: errorCodes,
})

export const ErrorInterface = builder.interfaceRef<{ code: Code; message: string }>('Error').implement({
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
  }),
})

/** An error that is a mutation's result. `type`: the name of its GraphQL type, by which unions tell their members apart. */
interface ErrorShape<Name extends string> {
  readonly type: Name
  readonly code: Code
  readonly message: string
}

export const NotFound = builder.objectRef<ErrorShape<'NotFound'>>('NotFound').implement({
  interfaces: [ErrorInterface],
})

export const InvalidInput = builder
  .objectRef<ErrorShape<'InvalidInput'> & { field: string | null }>('InvalidInput')
  .implement({
    description: 'The input is wrong: the client has to change it',
    interfaces: [ErrorInterface],
    fields: (t) => ({
      field: t.exposeString('field', { nullable: true, description: 'The input field that is wrong' }),
    }),
  })

export const LimitExceeded = builder
  .objectRef<ErrorShape<'LimitExceeded'> & { retryAfterSeconds: number | null }>('LimitExceeded')
  .implement({
    interfaces: [ErrorInterface],
    fields: (t) => ({
      retryAfterSeconds: t.exposeInt('retryAfterSeconds', {
        nullable: true,
        description: 'Seconds until the same request may succeed. 0: waiting does not help, ask for less',
      }),
    }),
  })
