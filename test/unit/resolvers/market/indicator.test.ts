import assert from 'node:assert/strict'
import { test } from 'node:test'
import { graphql } from 'graphql'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import { type Parameter, pointShapes } from '../../../../src/analysis/indicators/indicator.ts'
import { type IndicatorName, indicatorNames, indicatorWarmUp } from '../../../../src/analysis/indicators/points.ts'
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

interface Point {
  readonly epoch: number
  readonly [part: string]: number | null
}
type Column = readonly (number | null)[]

const parts = (name: IndicatorName): string[] => Object.keys(pointShapes[catalogue[name].point])
const isSingle = (name: IndicatorName): boolean => catalogue[name].point === 'IndicatorPoint'
const ahead = (name: IndicatorName): string => (name === 'ichimoku' ? 'ahead { epoch spanA spanB }' : '')

/** An indicator as points, and by column. */
const asPoints = (name: IndicatorName, args: string): string => `${name}${args} { epoch ${parts(name).join(' ')} }`
const byColumn = (name: IndicatorName, args: string): string =>
  isSingle(name) ? `${name}${args}` : `${name}${args} { ${parts(name).join(' ')} ${ahead(name)} }`

/** The points that columns stand for, with those ahead. */
function pointsOf(name: IndicatorName, columns: Record<string, unknown>): Point[] {
  const found = columns[name] as Readonly<Record<string, Column>> & { ahead?: Record<string, Column> }
  const epoch = columns.epoch as number[]
  const of = isSingle(name) ? { value: columns[name] as Column } : found
  const pointsAt = (times: Column, values: Readonly<Record<string, Column>>): Point[] =>
    times.map((time, i) => ({
      epoch: time as number,
      ...Object.fromEntries(parts(name).map((part) => [part, values[part]?.[i] ?? null])),
    }))
  for (const part of parts(name)) assert.equal(of[part]?.length, epoch.length, `${name}.${part}`)
  const later = found.ahead
  if (later) for (const column of Object.values(later)) assert.equal(column.length, later.epoch?.length)
  const all = [...pointsAt(epoch, of), ...(later ? pointsAt(later.epoch ?? [], later) : [])]
  return all.filter((point) => parts(name).some((part) => point[part] !== null))
}

/** Parameters other than the defaults, as short as they go and longer than some histories here. */
const oddArguments = (name: IndicatorName, number: number): string => {
  const given = Object.entries<Parameter>(catalogue[name].parameters).map(([parameter, of]) => {
    if (!('min' in of)) return `${parameter}: ${of.values.at(-1)}`
    return `${parameter}: ${of.type === 'Int' ? number : of.min * 2}`
  })
  return given.length > 0 ? `(${given.join(', ')})` : ''
}

for (const [kind, candlesOf] of Object.entries(candleKinds)) {
  test(`each indicator by column is what its points are, and null where there is none, of candles ${kind}`, async () => {
    const histories: readonly (readonly [length: number, last: number])[] = [
      [900, 120],
      [40, 40],
      [1, 1],
    ]
    for (const [length, last] of histories) {
      const history = daysOf(candlesOf(length, 7)).map((candle, i) =>
        i % 31 === 3 ? { ...candle, volume: null } : candle,
      )
      for (const argumentsOf of [
        () => '',
        (name: IndicatorName) => oddArguments(name, 1),
        (name: IndicatorName) => oddArguments(name, 37),
      ]) {
        const columns = indicatorNames.map((name) => byColumn(name, argumentsOf(name))).join(' ')
        const points = indicatorNames.map((name) => asPoints(name, argumentsOf(name))).join(' ')
        const { candles, errors } = await ask(
          marketOf(history).ports,
          `{ candles(symbol: "AAPL", last: ${last}) { columns { epoch ${columns} } ${points} } }`,
        )
        assert.equal(errors, undefined)
        const found = candles?.columns as unknown as Record<string, unknown>
        assert.equal((found.epoch as unknown[]).length, last)
        for (const name of indicatorNames) {
          assert.deepEqual(
            pointsOf(name, found),
            candles?.[name]?.map((point) => ({ ...point })),
            `${name}${argumentsOf(name)}`,
          )
        }
      }
    }
  })
}

test('by column, parameters out of bounds are refused at their own field, and everything else arrives', async () => {
  const { candles, errors } = await ask(
    marketOf(daysOf(walk(100, 2))).ports,
    `{ candles(symbol: "AAPL", last: 3) { columns { close sma(period: 0) rsi slow: ema(period: 1001)
       macd(fast: 0) { macd } adx { adx } } sma { value } } }`,
  )
  assert.deepEqual(
    errors?.map(({ path, code }) => [path, code]),
    ['sma', 'slow', 'macd'].map((field) => [`candles.columns.${field}`, 'BAD_USER_INPUT']),
  )
  const columns = candles?.columns as unknown as Record<string, unknown>
  assert.deepEqual([columns.sma, columns.slow, columns.macd], [null, null, null])
  for (const whole of [columns.close, columns.rsi, (columns.adx as { adx: unknown }).adx, candles?.sma]) {
    assert.equal((whole as unknown[]).length, 3)
  }
})

test('where there are no candles in the range there are no points, not even those that are drawn ahead', async () => {
  const history = daysOf(walk(300, 2))
  const from = new Date(((history.at(-1)?.epoch ?? 0) + 10 * 86_400) * 1000).toISOString()
  const { candles, errors } = await ask(
    marketOf(history).ports,
    `{ candles(symbol: "AAPL", from: "${from}") {
      nodes { epoch } obv { epoch } adl { epoch } vwap(anchor: SERIES) { epoch } sma { epoch } ichimoku { epoch } signals { epoch }
      columns { epoch obv vwap(anchor: SERIES) macd { macd signal } ichimoku { spanA ahead { epoch spanA spanB } } } } }`,
  )
  assert.equal(errors, undefined)
  const { columns, ...others } = candles ?? {}
  assert.deepEqual(Object.values(others), Array(7).fill([]))
  const ahead = { epoch: [], spanA: [], spanB: [] }
  const none = { epoch: [], obv: [], vwap: [], macd: { macd: [], signal: [] }, ichimoku: { spanA: [], ahead } }
  assert.deepEqual(JSON.parse(JSON.stringify(columns)), none)
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

test('a composed candle costs the rows that it is composed of', async () => {
  for (const [interval, length, asked, served] of [
    ['HOUR_1', 20_000, 38, 37],
    ['HOUR_2', 20_000, 19, 18],
    ['HOUR_4', 20_000, 10, 9],
    ['DAY_1', 20_000, 38, 37],
    // Each is charged the quarters asked for, then 64 days for each of the 500 that there are.
    ['MONTH_3', 500, 23, 23],
    ['MONTH_3', 500, 24, 22],
  ] as const) {
    const { ports } = marketOf(daysOf(walk(length, 4)))
    const fields = Array.from(
      { length: asked },
      (_, i) => `a${i}: candles(symbol: "AAPL", interval: ${interval}, last: 20000) { symbol }`,
    )
    const { data, errors } = await ask(ports, `{ ${fields.join(' ')} }`)
    assert.equal(Object.values(data ?? {}).filter((series) => series !== null).length, served, interval)
    assert.deepEqual(errors?.map(({ code }) => code) ?? [], Array(asked - served).fill('BAD_USER_INPUT'))
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

test('the longest series with all of its indicators by column is what one operation may have', async () => {
  const { ports } = marketOf(daysOf(walk(22_000, 4)))
  const fields = indicatorNames.map((name) => byColumn(name, ''))
  const { candles, errors } = await ask(
    ports,
    `{ candles(symbol: "AAPL", last: 20000) { columns { epoch open high low close volume ${fields.join(' ')} } } }`,
  )
  assert.equal(errors, undefined)
  const columns = candles?.columns as unknown as { readonly sma: unknown[] } | undefined
  assert.equal(columns?.sma.length, 20_000)
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
  ['indicators by column', 'columns { sma }'],
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

const newest = 'candles(symbol: "AAPL", interval: MINUTE_1, last: 5)'
for (const [form, queryOf] of [
  ['as points', (field: string) => `{ ${newest} { ${field} { epoch } } }`],
  [
    'by column',
    (field: string, name: IndicatorName) =>
      `{ ${newest} { columns { epoch } ...Other } }
       fragment Other on CandleSeries { other: columns { x: ${field} ${isSingle(name) ? '' : '{ __typename }'} } }`,
  ],
] as const) {
  test(`all candles that an indicator wants before the first node are asked for, however slow it is, ${form}`, async () => {
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
      const field = `${name}${args.length > 0 ? `(${args.join(', ')})` : ''}`
      const { errors } = await ask(ports, queryOf(field, name))
      assert.equal(errors, undefined)
      const { parameters } = catalogue[name]
      const defaults = Object.fromEntries(
        Object.entries<Parameter>(parameters).map(([parameter, of]) => [parameter, of.default]),
      )
      const wanted = indicatorWarmUp(name, { ...defaults, ...slowest(name) }, 'MINUTE_1')
      const earlier = asked[0]?.earlier ?? 0
      assert.equal(earlier, Math.min(Math.max(1, wanted), 45_000), name)
    }
  })
}

test('parameters that differ a little ask for the same candles, which then are stored already', async () => {
  const { asked, ports } = marketOf(daysOf(walk(10, 5)))
  for (let period = 20; period < 60; period++) {
    await ask(
      ports,
      `{ candles(symbol: "AAPL", last: 5) { columns { ema(period: ${period}) rsi(period: ${period}) } } }`,
    )
  }
  const counts = new Set(asked.map(({ earlier }) => earlier))
  assert.ok(asked.length === 40 && counts.size <= 5, [...counts].join(' '))
})

test('a VWAP since the year began asks for no more minutes than sources have', async () => {
  const { asked, ports } = marketOf([])
  await ask(ports, '{ candles(symbol: "AAPL", interval: MINUTE_1, last: 5) { vwap(anchor: YEAR) { epoch } } }')
  assert.equal(asked[0]?.earlier, 45_000)
})

test('an operation pays for the candles before the first node that it needs, and not for those that are loaded beside them', async () => {
  const { asked, ports } = marketOf(daysOf(walk(20_300, 6)))
  const one = 'candles(symbol: "AAPL", last: 5000) { columns { ema(period: 450) } }'
  const fields = Array.from({ length: 30 }, (_, i) => `a${i}: ${one}`)
  const { errors } = await ask(ports, `{ ${fields.join(' ')} }`)
  assert.equal(asked[0]?.earlier, 8192)
  assert.equal(errors, undefined)
})
