import { type ErrorCode as Code, errorCodes } from '../domain/errors.ts'
import { builder } from './builder.ts'

export const ErrorCode = builder.enumType('ErrorCode', {
  description:
    'Also the values of `extensions.code`. NO_DATA: the source knows the symbol, but has no price or candles for it. ' +
    'UNAVAILABLE: the server can not reach its database, or not change it. ' +
    'SOURCE_RATE_LIMITED, LIMIT_EXCEEDED and UNAVAILABLE carry `retryAfterSeconds`, RANGE_NOT_AVAILABLE `reachDays`',
  values: errorCodes,
})

export const ErrorInterface = builder.interfaceRef<{ code: Code; message: string }>('Error').implement({
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode }),
    message: t.exposeString('message'),
  }),
})

export const NotFound = builder.objectRef<{ code: Code; message: string }>('NotFound').implement({
  interfaces: [ErrorInterface],
})

export const InvalidInput = builder
  .objectRef<{ code: Code; message: string; field: string | null }>('InvalidInput')
  .implement({
    description: 'What the client can mend',
    interfaces: [ErrorInterface],
    fields: (t) => ({
      field: t.exposeString('field', { nullable: true, description: 'The input field that was wrong' }),
    }),
  })

export const LimitExceeded = builder
  .objectRef<{ code: Code; message: string; retryAfterSeconds: number | null }>('LimitExceeded')
  .implement({
    interfaces: [ErrorInterface],
    fields: (t) => ({
      retryAfterSeconds: t.exposeInt('retryAfterSeconds', {
        nullable: true,
        description: 'When the same may succeed; 0: no time has to pass, but the client has to ask for less',
      }),
    }),
  })
