import assert from 'node:assert/strict'
import { test } from 'node:test'
import { graphql } from 'graphql'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import { type Parameter, pointShapes } from '../../../../src/analysis/indicators/indicator.ts'
import { indicatorNames, indicatorWarmUp } from '../../../../src/analysis/indicators/points.ts'
import type { Candle, CandleRequest, CandleSeries } from '../../../../src/domain/candle.ts'
import { createContext, type Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'
import { candleKinds } from '../../../support/candles/generated-candles.ts'

const walk = candleKinds['that walk at random'] as (length: number, seed: number) => Columns
const at = (column: Float64Array, i: number): number => column[i] as number

/** Days, all of them closed. */
function daysOf({ epoch, open, high, low, close, volume }: Columns): Candle[] {
  return [...epoch].map((each, i) => ({
    ...{ epoch: each, open: at(open, i), high: at(high, i), low: at(low, i), close: at(close, i) },
    ...{ volume: at(volume, i), closed: true },
  }))
}

/** A market of one history, and what it was asked for. */
function marketOf(history: readonly Candle[]) {
  const asked: CandleRequest[] = []
  function seriesOf({ symbol, interval, adjustment, last, earlier, from }: CandleRequest): CandleSeries {
    const first = from === null ? 0 : history.findIndex(({ epoch }) => epoch >= from)
    const begin = first === -1 ? history.length : first
    const start = Math.max(begin, last === null ? 0 : history.length - last)
    return {
      ...{ symbol, interval, adjustment, source: 'SIMULATED', extendedHours: false, stale: false, failure: null },
      ...{
        receivedAtMs: 0,
        excluded: 0,
        hasEarlier: start > 0,
        sessions: { timezone: 'UTC', opens: 0, closes: 86_400 },
      },
      ...{ nodes: history.slice(start), earlier: history.slice(Math.max(0, start - earlier), start) },
      isWhole: start < earlier,
      isFinal: false,
    }
  }
  const candles = async (requests: readonly CandleRequest[]): Promise<CandleSeries[]> => {
    asked.push(...requests)
    return requests.map(seriesOf)
  }
  return { asked, ports: { market: { candles }, limits: { upstreamCallsPerOperation: 1 } } as unknown as Ports }
}

type Series = Record<string, { epoch: number; value: number }[]>

async function ask(ports: Ports, source: string) {
  const { data, errors } = await graphql({ schema, source, contextValue: createContext(ports) })
  return {
    candles: data?.candles as Series | undefined,
    data: data as Record<string, Series | null> | null | undefined,
    errors: errors?.map(({ message, path, originalError }) => ({
      message,
      path: path?.join('.'),
      code: (originalError as unknown as { code?: string }).code,
    })),
  }
}

test('an indicator has the same points whatever other indicators are asked for beside it', async () => {
  const { ports } = marketOf(daysOf(walk(3000, 1)))
  const shapes: Record<string, string> = {
    ...{ macd: 'macd signal histogram', bollingerBands: 'upper middle lower', keltnerChannels: 'upper middle lower' },
    ...{ stochastic: 'k d', stochasticRsi: 'k d', adx: 'adx plusDi minusDi' },
    ichimoku: 'conversion base spanA spanB lagging',
  }
  const fields = indicatorNames.map((name) => `${name} { epoch ${shapes[name] ?? 'value'} }`)
  const candles = (selection: string): string => `{ candles(symbol: "AAPL", last: 300) { ${selection} } }`
  // The longest warm-up of all is over two thousand candles.
  const { candles: together } = await ask(ports, candles([...fields, 'long: adx(period: 60) { adx }'].join(' ')))
  for (const [i, name] of indicatorNames.entries()) {
    const { candles: alone } = await ask(ports, candles(fields[i] ?? ''))
    const [one, other] = [together?.[name] ?? assert.fail(), alone?.[name] ?? assert.fail()]
    assert.equal(one.length, name === 'ichimoku' ? 325 : 300, name)
    assert.equal(other.length, one.length, name)
    for (const [j, point] of one.entries()) {
      for (const [part, value] of Object.entries(point)) {
        const same = other[j]?.[part as 'value'] as number
        assert.ok(value === same || Math.abs(value - same) <= 1e-9 * Math.abs(value), `${name}.${part} at ${j}`)
      }
    }
  }
})

test('where there are no candles in the range there are no points, not even those that are drawn ahead', async () => {
  const history = daysOf(walk(300, 2))
  const from = new Date(((history.at(-1)?.epoch ?? 0) + 10 * 86_400) * 1000).toISOString()
  const { candles, errors } = await ask(
    marketOf(history).ports,
    `{ candles(symbol: "AAPL", from: "${from}") {
      nodes { epoch } obv { epoch } adl { epoch } vwap(anchor: SERIES) { epoch } sma { epoch } ichimoku { epoch } signals { epoch } } }`,
  )
  assert.equal(errors, undefined)
  assert.deepEqual(Object.values(candles ?? {}), Array(7).fill([]))
})

test('between the indicators of a long series the event loop gets to everything else', async () => {
  const { ports } = marketOf(daysOf(walk(12_000, 3)))
  const averages = Array.from({ length: 10 }, (_, i) => `a${i}: sma(period: ${i + 2}) { value }`)
  let turns = 0
  const count = (): void => {
    turns += 1
    counting = setImmediate(count)
  }
  let counting = setImmediate(count)
  const { candles, errors } = await ask(ports, `{ candles(symbol: "AAPL", last: 10000) { ${averages.join(' ')} } }`)
  clearImmediate(counting)
  assert.equal(errors, undefined)
  assert.deepEqual(
    Object.values(candles ?? {}).map(({ length }) => length),
    Array(10).fill(10_000),
  )
  assert.ok(turns >= averages.length, `${turns} turns of the event loop`)
})

/** The longest series takes 20,000 rows and the candles before it, as many a field again. */
test('what is more than 750,000 rows in one operation is refused at its own field, and the rest arrives', async () => {
  const { ports } = marketOf(daysOf(walk(20_100, 4)))
  const averages = Array.from({ length: 39 }, (_, i) => `a${i}: sma(period: ${i + 2}) { value }`)
  const query = `{ candles(symbol: "AAPL", last: 20000) { ${averages.join(' ')} } other: candles(symbol: "AAPL", last: 5) { nodes { close } } }`
  const { candles, data, errors } = await ask(ports, query)
  const lengths = Object.values(candles ?? {}).map((points) => points?.length ?? null)
  assert.equal(lengths.filter((length) => length === 20_000).length, 36)
  assert.deepEqual([data?.other?.nodes?.length, errors?.length], [5, 3])
  for (const { message, path, code } of errors ?? []) {
    assert.equal(code, 'BAD_USER_INPUT')
    assert.match(path ?? '', /^candles\.a3\d$/)
    assert.match(message, /at most 750000 candles and other rows/)
  }
})

test('the longest series with all of its indicators, every field of them selected, is what one operation may have', async () => {
  const { ports } = marketOf(daysOf(walk(22_000, 4)))
  const fields = indicatorNames.map((name) => {
    const { point } = catalogue[name]
    return `${name} { time epoch ${Object.keys(pointShapes[point]).join(' ')} }`
  })
  const nodes = 'nodes { time epoch open high low close volume closed }'
  const { candles, errors } = await ask(
    ports,
    `{ candles(symbol: "AAPL", last: 20000) { ${nodes} ${fields.join(' ')} } }`,
  )
  assert.equal(errors, undefined)
  assert.equal(candles?.sma?.length, 20_000)
})

test('candles before the first node count: many slow indicators of a single row are refused', async () => {
  const { ports } = marketOf(daysOf(walk(45_100, 5)))
  const slow = Array.from({ length: 130 }, (_, i) => `a${i}: adx(period: ${500 - i}) { adx }`)
  const { candles, errors } = await ask(
    ports,
    `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 1) { ${slow.join(' ')} } }`,
  )
  const served = Object.values(candles ?? {}).filter((points) => points !== null).length
  assert.ok(served > 5 && served < 50, `${served} were computed`)
  assert.equal(errors?.length, slow.length - served)
})

for (const [what, selection] of [
  ['signals', 'signals { epoch }'],
  ['nodes', 'nodes { epoch }'],
  ['fields of a node', `nodes { ${Array.from({ length: 120 }, (_, i) => `f${i}: close`).join(' ')} }`],
  ['columns', 'columns { time open high low close volume }'],
] as const) {
  test(`the ${what} of a long series are refused by many names, and served by one`, async () => {
    const { ports } = marketOf(daysOf(walk(20_300, 6)))
    const aliases = Array.from({ length: 60 }, (_, i) => `a${i}: ${selection}`)
    const many = await ask(ports, `{ candles(symbol: "AAPL", last: 20000) { ${aliases.join(' ')} } }`)
    assert.ok(many.errors?.length)
    assert.ok(many.errors.every(({ code }) => code === 'BAD_USER_INPUT'))
    if (what === 'fields of a node') return
    const one = await ask(ports, `{ candles(symbol: "AAPL", last: 20000) { ${selection} } }`)
    assert.equal(one.errors, undefined)
  })
}

test('all candles that an indicator wants before the first node are asked for, however slow it is', async () => {
  const slowest = (name: (typeof indicatorNames)[number]): Record<string, number> =>
    Object.fromEntries(
      Object.entries<Parameter>(catalogue[name].parameters).flatMap(([parameter, of]) => {
        if (!('min' in of)) return []
        return [[parameter, of.type === 'Int' ? of.max : of.min]]
      }),
    )
  for (const name of indicatorNames) {
    const { asked, ports } = marketOf(daysOf(walk(10, 5)))
    const args = Object.entries(slowest(name)).map(([parameter, value]) => `${parameter}: ${value}`)
    const field = `${name}${args.length > 0 ? `(${args.join(', ')})` : ''} { epoch }`
    const { errors } = await ask(ports, `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 5) { ${field} } }`)
    assert.equal(errors, undefined)
    const { parameters } = catalogue[name]
    const defaults = Object.fromEntries(
      Object.entries<Parameter>(parameters).map(([parameter, of]) => [parameter, of.default]),
    )
    const wanted = indicatorWarmUp(name, { ...defaults, ...slowest(name) }, 'MINUTE_1')
    assert.equal(asked[0]?.earlier, Math.max(1, wanted), name)
  }
})

test('a VWAP since the year began asks for no more minutes than sources have', async () => {
  const { asked, ports } = marketOf([])
  await ask(ports, '{ candles(symbol: "AAPL", interval: MINUTE_1, last: 5) { vwap(anchor: YEAR) { epoch } } }')
  assert.equal(asked[0]?.earlier, 45_000)
})
