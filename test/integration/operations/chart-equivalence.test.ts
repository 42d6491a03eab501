import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { type ExecutionResult, execute, Kind, parse, validate } from 'graphql'
import { compilableFields } from '../../../src/http/pipeline/compiled-operations.ts'
import { createContext, type Ports } from '../../../src/resolvers/context.ts'
import { schema } from '../../../src/schema/index.ts'
import { CandleTable } from '../../../src/store/candles/candle-table.ts'
import { startApp } from '../../support/app.ts'
import { inTime, post } from '../../support/clients/client.ts'
import { askHttp } from '../../support/clients/http-answer.ts'
import { RawClient } from '../../support/clients/raw-client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { chartQueries, type GeneratedOperation } from '../../support/operations/operations.ts'

// The clock stands still, so that answers can be compared.
const database = await createTestDatabase()
const nowMs = Date.UTC(2025, 2, 12, 15)
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: '60' }
const app = await startApp(environment, 'all', { now: () => nowMs })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

/** What resolvers get from the app, taken from a request on its way. */
async function portsOf(): Promise<Ports> {
  const field = schema.getQueryType()?.getFields().quote
  assert.ok(field?.resolve)
  const { resolve } = field
  let ports: Ports | undefined
  field.resolve = (root, args, context: Ports, info) => {
    ports = context
    return resolve(root, args, context, info)
  }
  await post(app.api, '{ quote(symbol: "AAPL") { price } }')
  field.resolve = resolve
  assert.ok(ports)
  return ports
}
const ports = await portsOf()

/** The simulated market knows every volume. Where one is not known, its column has null. */
await post(app.api, '{ instruments(symbols: ["AAPL", "MSFT"]) { candles(last: 700) { columns { close } } } }')
await database.query('UPDATE finstage.candles SET volume = NULL WHERE minute % 7 = 0')
await database.query('UPDATE finstage.candle_series SET settled_version = settled_version + 1')

interface Told {
  /** JSON; null: there is none. */
  readonly data: string | null
  readonly errors: readonly string[]
}

const told = ({ data, errors = [] }: ExecutionResult): Told => ({
  data: data === undefined ? null : JSON.stringify(data),
  errors: [
    ...new Set(errors.map(({ path, message }) => (path ? place(data, path, message) : requestError(message)))),
  ].toSorted(),
})

/**
 * An error by its path, or by that of the null that it has made of something above. Of several in what has become null,
 * any may be reported.
 */
function place(data: unknown, path: readonly (string | number)[], message: string): string {
  let value = data
  for (const [depth, key] of path.entries()) {
    if (value === null) return JSON.stringify(path.slice(0, depth))
    value = (value as Record<string | number, unknown>)[key]
  }
  return `${JSON.stringify(path)} ${message}`
}

/** The words for a wrong variable are those of whoever executes. */
const requestError = (message: string): string => message.replace(/^Variable.*/s, 'Variable')

/** graphql-js alone, without anything that is written before. */
async function plain({ query, variables }: GeneratedOperation): Promise<Told> {
  const document = parse(query)
  return told(await execute({ schema, document, contextValue: createContext(ports), variableValues: variables }))
}

async function byPost(operation: GeneratedOperation): Promise<string> {
  const body = JSON.stringify(operation)
  const headers = { 'content-type': 'application/json' }
  return (await askHttp(`${app.api}/graphql`, { method: 'POST', headers, body })).text
}

async function byGet({ query, variables }: GeneratedOperation): Promise<string> {
  const search = new URLSearchParams({ query, variables: JSON.stringify(variables) })
  return (await askHttp(`${app.api}/graphql?${search}`, {})).text
}

/** Whether the document is beyond a limit. */
async function isRefused(operation: GeneratedOperation): Promise<boolean> {
  const { data, errors } = told(JSON.parse(await byPost(operation)) as ExecutionResult)
  return data === null && errors.length > 0 && errors[0] !== 'Variable'
}

let received: (type: string, text: string) => void = () => {}
const client = await RawClient.open(app.api, ({ type }, text) => received(type, text))
after(() => client[Symbol.asyncDispose]())
let ids = 0

/** Every message of an operation, without its id. */
async function messagesOf(payload: object): Promise<string[]> {
  const id = `"${++ids}`
  const messages: string[] = []
  const end = Promise.withResolvers<void>()
  received = (type, text) => {
    messages.push(text.replace(JSON.stringify(id), '?'))
    if (type !== 'next') end.resolve()
  }
  client.send({ id, type: 'subscribe', payload })
  await inTime(end.promise, 'an answer over the WebSocket')
  return messages
}

async function overWebSocket(operation: GeneratedOperation): Promise<string> {
  const [answer = '', ...others] = await messagesOf(operation)
  const start = '{"id":?,"type":"next","payload":'
  assert.ok(answer.startsWith(start), answer.slice(0, 200))
  assert.deepEqual(others, ['{"id":?,"type":"complete"}'])
  return answer.slice(start.length, -1)
}

/** With its variables, a longer one would be no address for Node any more. */
const longestQuery = 6000

function difference(actual: string, expected: string): string {
  let at = 0
  while (actual[at] === expected[at] && at < expected.length) at++
  const around = (text: string): string => text.slice(Math.max(0, at - 60), at + 60)
  return `${around(actual)}\ninstead of\n${around(expected)}`
}

const ways = { POST: byPost, GET: byGet, WebSocket: overWebSocket }
const runsUntilCompiled = 10
/** Of each way: with three ways, the last runs are compiled. */
const manyRuns = 4

/** Fails unless every way gives what graphql-js gives. Returns whether the operation was compiled. */
async function compare(operation: GeneratedOperation): Promise<{ readonly isCompiled: boolean; readonly told: Told }> {
  const expected = await plain(operation)
  for (let run = 0; run < manyRuns; run++) {
    for (const [name, way] of Object.entries(ways)) {
      const text = await way(operation)
      const where = `${name}, run ${run}: ${JSON.stringify(operation)}`
      if (expected.errors.length > 0) assert.deepEqual(told(JSON.parse(text) as ExecutionResult), expected, where)
      else assert.ok(text === `{"data":${expected.data}}`, `${where}\n${difference(text, `{"data":${expected.data}}`)}`)
    }
  }
  const document = parse(operation.query)
  const node = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  return { isCompiled: node !== undefined && compilableFields(document, node) > 0, told: expected }
}

test('charts of any kind are the same bytes by POST, by GET and over a WebSocket, compiled or not, as graphql-js alone gives them', async (t) => {
  let [total, compiled, whole, partial] = [0, 0, 0, 0]
  await fc.assert(
    fc.asyncProperty(chartQueries(schema), async (operation) => {
      const { query } = operation
      if (query.length > longestQuery || validate(schema, parse(query)).length > 0 || (await isRefused(operation)))
        return
      const { isCompiled, told } = await compare(operation)
      total++
      if (isCompiled) compiled++
      if (told.errors.length === 0) whole++
      else if (told.data !== null && /\d/.test(told.data)) partial++
    }),
    { numRuns: 70, endOnFailure: true },
  )
  t.diagnostic(`${total} operations: ${compiled} compiled, ${whole} without errors, ${partial} with some`)
  assert.ok(compiled > 3 && whole > 9 && partial > 0)
})

for (const [what, query] of [
  [
    'every column under several names',
    '{ candles(symbol: "AAPL", last: 600) { columns { z: close volume a: close epoch ...F low } columns { high a: close } } } fragment F on CandleColumns { open x: epoch __typename }',
  ],
  [
    'indicators by column and by point',
    '{ candles(symbol: "AAPL", last: 300) { columns { close sma(period: 250) macd { signal macd } time } sma(period: 250) { value epoch } nodes { volume } } }',
  ],
  [
    'a board with a symbol that is not there',
    '{ instruments(symbols: ["AAPL", "NOSUCH", "MSFT"]) { symbol candles(last: 30) { columns { close } } quote { price } } }',
  ],
  [
    'a mistake deep in one of several charts',
    '{ a: candles(symbol: "AAPL", last: 300) { columns { close rsi(period: 0) } } b: candles(symbol: "AAPL", last: 299) { columns { rsi close } } }',
  ],
  ['volumes that are not known', '{ candles(symbol: "AAPL", last: 300) { columns { volume obv } nodes { volume } } }'],
  [
    'no candles',
    '{ candles(symbol: "AAPL", from: "1950-01-01T00:00:00Z", to: "1950-02-01T00:00:00Z") { columns { close sma } } }',
  ],
] as const) {
  test(`a chart with ${what} is the same bytes on every way as graphql-js alone gives it`, async () => {
    const { isCompiled, told } = await compare({ query, variables: {} })
    assert.ok(isCompiled)
    if (query.includes('volume obv')) assert.match(told.data ?? '', /null,/)
  })
}

const bySymbol =
  'query ($s: Symbol!) { quote(symbol: $s) { symbol } candles(symbol: $s, last: 3) { columns { close } } }'
const both = 'query A { quote(symbol: "AAPL") { symbol } } query B { quote(symbol: "MSFT") { symbol } }'

for (const [what, payload] of [
  ['right', { query: bySymbol, variables: { s: 'AAPL' } }],
  ['with a symbol that is not known', { query: bySymbol, variables: { s: 'NOSUCH' } }],
  ['with a variable of the wrong type', { query: bySymbol, variables: { s: 7 } }],
  ['without its variable', { query: bySymbol }],
  ['with null for variables', { query: bySymbol, variables: null }],
  ['by its name', { query: both, operationName: 'B' }],
  ['without its name', { query: both }],
  ['by a name that is not there', { query: both, operationName: 'C' }],
  ['not valid', { query: '{ nothing }' }],
] as const) {
  test(`a query ${what} is answered over a WebSocket as it was the first time`, async () => {
    const first = await messagesOf({ ...payload, query: `${payload.query}#${what}` })
    for (let run = 0; run < 12; run++) {
      assert.deepEqual(await messagesOf({ ...payload, query: `${payload.query}#${what}` }), first)
    }
  })
}

const candlesByColumn = (args: string): string =>
  `candles(symbol: "MSFT", ${args}) { columns { epoch close volume rsi(period: 9) macd { signal } } }`

for (const [what, query] of [
  ['the newest candles', `{ ${candlesByColumn('last: 400')} }`],
  ['a range', `{ ${candlesByColumn('from: "2024-01-01T00:00:00Z", to: "2025-03-01T00:00:00Z"')} }`],
  ['a board', '{ instruments(symbols: ["AAPL", "MSFT"]) { candles(last: 300) { columns { close } } } }'],
] as const) {
  test(`where all is in memory, ${what} by column needs no object for each candle`, async (t) => {
    for (let time = 0; time < runsUntilCompiled; time++) assert.equal((await post(app.api, query)).errors, undefined)
    const { candleAt } = CandleTable.prototype
    t.after(() => {
      CandleTable.prototype.candleAt = candleAt
    })
    let made = 0
    CandleTable.prototype.candleAt = function (...args) {
      made++
      return candleAt.apply(this, args)
    }
    assert.equal((await post(app.api, query)).errors, undefined)
    assert.ok(made < 10, `${made} objects`)
  })
}
