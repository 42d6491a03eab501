import { valueFromASTUntyped } from 'graphql'
import { badInput } from '../domain/errors.ts'
import { parseSymbol } from '../domain/symbol.ts'
import { builder } from './builder.ts'

builder.scalarType('Symbol', {
  description:
    'Ticker as Yahoo writes it: AAPL, BRK-B, ^GSPC, BTC-USD, 005930.KS, EURUSD=X, M&M.NS. 1 to 32 characters of A-Z 0-9 . ^ = & _ -. ' +
    'Lower case is accepted and turned into upper case',
  serialize: (value) => value,
  parseValue(value) {
    if (typeof value !== 'string') throw badInput('A symbol is a string')
    return parseSymbol(value)
  },
})

const instantPattern = /^(?!0000)\d{4}-\d{2}-\d{2}T(?!24)\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i

/** Date.parse alone would read 31 February as 3 March. */
function isInstant(text: string): boolean {
  if (!instantPattern.test(text)) return false
  const midnight = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  return midnight.getUTCDate() === Number(text.slice(8, 10))
}

builder.scalarType('DateTime', {
  description: 'RFC 3339 instant, in UTC: 2026-01-31T12:00:00Z. Input may have another offset',
  serialize: (value) => new Date(value).toISOString(),
  parseValue(value) {
    const milliseconds = typeof value === 'string' && isInstant(value) ? Date.parse(value) : Number.NaN
    if (Number.isNaN(milliseconds)) throw badInput('Not an instant as in 2026-01-31T12:00:00Z')
    return milliseconds
  },
})

builder.scalarType('Date', {
  description: "Calendar date in the exchange's time zone: YYYY-MM-DD",
  serialize: (value) => value,
  parseValue(value) {
    if (typeof value === 'string' && isInstant(`${value}T00:00:00Z`)) return value
    throw badInput('Not a date as in 2026-01-31')
  },
})

builder.scalarType('EpochSeconds', {
  description: 'Whole seconds since 1970-01-01 UTC, as charting libraries take them',
  serialize: (value) => value,
  parseValue: wholeNumber,
})

builder.scalarType('BigInt', {
  description: 'Integer up to 2^53, as a JSON number',
  serialize: (value) => value,
  parseValue: wholeNumber,
})

builder.scalarType('JSON', {
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
})

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw badInput('Not a whole number')
  return value
}
