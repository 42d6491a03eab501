import { catalogue } from '../../src/analysis/indicators/catalogue.ts'
import { pointShapes } from '../../src/analysis/indicators/indicator.ts'
import { type IndicatorName, indicatorNames, indicatorWarmUp } from '../../src/analysis/indicators/points.ts'
import { partsPerCandle } from '../../src/domain/time/interval.ts'
import { schema } from '../../src/schema/index.ts'
import type { weights } from '../../src/schema/price/weights.ts'
import { median } from '../support/table.ts'
import { generatedOperation, type Known } from './generated.ts'
import type { Asked, MeasuredApp } from './measured-app.ts'

type Widened<T> = { readonly [Name in keyof T]: T[Name] extends number ? number : Widened<T[Name]> }
export type Weights = Widened<typeof weights>

const pace = { warmUps: 14, warmUpMs: 300, measuredMs: 20 }
/** Rows of the series by which indicators are weighed, and the parameters that make a window short or long. */
const rows = 4000
const longWindow = 600

/** Candles of which indicators are weighed: `last` and up to a thousand more. */
interface Range {
  readonly interval: 'MINUTE_1' | 'DAY_1'
  readonly last: number
  /** CPU of the candles alone. */
  readonly base: number
  readonly history: number
}

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

/** No weight is nothing: a measured difference below is noise. */
const positive = (value: number, least = 0.001): number => Math.max(least, value)

/** Each weight is the difference between two operations that differ in one thing, by how often they do. */
export async function measureWeights(app: MeasuredApp, market: Known): Promise<Weights> {
  const { symbols, jobs } = market
  let asked = 0
  const cpu = async (query: string, variables: object = {}): Promise<number> =>
    (await app.measure(() => ({ query, variables }) as Asked, pace)).micros
  /** Each request is another: `text` makes it of a number. */
  const fresh = async (text: (i: number) => Asked): Promise<number> =>
    (await app.measure(() => text(asked++), pace)).micros
  const minutes = (last: number, fields: string, directive = ''): string =>
    `{ candles(symbol: "AAPL", interval: MINUTE_1, last: ${last}) { ${fields} } ${directive} }`
  const interpreted = '__typename @include(if: true)'
  const six = 'epoch open high low close volume'

  const request = await weighRequest()
  const [one, many] = [await cpu(minutes(1000, 'nodes { close }')), await cpu(minutes(3000, 'nodes { close }'))]
  const leaf = positive(((await cpu(minutes(3000, `nodes { ${six} }`))) - many) / (5 * 3000))
  const instant = positive(((await cpu(minutes(3000, 'nodes { close time }'))) - many) / 3000)
  const exchange = (fields: string): Promise<number> =>
    cpu(`query ($s: [Symbol!]!) { instruments(symbols: $s) { symbol ${fields} } }`, { s: symbols })
  const object = positive(((await exchange('exchange { code }')) - (await exchange(''))) / symbols.length - leaf)
  const node = positive((many - one) / 2000 - leaf - object)
  const [oneSlowly, manySlowly] = [
    await cpu(minutes(1000, 'nodes { close }', interpreted)),
    await cpu(minutes(3000, 'nodes { close }', interpreted)),
  ]
  const interpretedLeaf = positive(
    ((await cpu(minutes(3000, `nodes { ${six} }`, interpreted))) - manySlowly) / (5 * 3000),
  )
  const interpretedObject = positive((manySlowly - oneSlowly) / 2000 - node - interpretedLeaf)

  const quotes = (count: number): Promise<number> =>
    cpu('query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }', { s: symbols.slice(0, count) })
  const listing = positive(((await quotes(50)) - (await quotes(10))) / 40 - object - leaf)
  const quotesOf = (symbol: (i: number) => string): Promise<number> =>
    cpu(`{ ${times(20, (i) => `a${i}: quote(symbol: "${symbol(i)}") { price }`)} }`)
  const error = positive(((await quotesOf(() => 'NOSUCH')) - 2 * (await quotesOf((i) => symbols[i] ?? ''))) / 20, 5)

  const newQuote = (fields: (i: number) => string): Promise<number> =>
    fresh((i) => ({ query: `{ quote(symbol: "AAPL") { ${fields(i)} } }` }))
  const newDocument = (await newQuote((i) => `a${i}: price`)) - request - listing
  const newField =
    ((await newQuote((i) => times(101, (k) => `a${i}x${k}: price`))) - newDocument - request) / 100 - interpretedLeaf
  const twice = await newQuote((i) => `a${i}: price ${times(90, () => 'open')}`)
  const pair = positive((twice - newDocument - request - 91 * newField) / 4005)

  const hundred = (fields: string): string => `{ candles(symbol: "AAPL", interval: HOUR_1, last: 100) { ${fields} } }`
  const series =
    ((await cpu(`{ ${times(11, (i) => `a${i}: candles(symbol: "${symbols[i]}", last: 100) { stale }`)} }`)) -
      (await cpu(`{ candles(symbol: "${symbols[0]}", last: 100) { stale } }`))) /
    10
  const firstSeries = positive((await cpu(minutes(5, 'stale'))) - request - series, 10)
  const row = positive(((await cpu(minutes(20_000, 'stale'))) - (await cpu(minutes(100, 'stale')))) / 19_900)
  const months = (last: number): Promise<number> =>
    cpu(`{ candles(symbol: "AAPL", interval: MONTH_1, last: ${last}) { stale } }`)
  const [fewMonths, manyMonths] = [await months(5), await months(100)]
  const composedDay = positive((manyMonths - fewMonths) / 95 / partsPerCandle('MONTH_1') - row)
  const daily = (last: number, args = '', fields = 'stale'): Promise<number> =>
    cpu(`{ candles(symbol: "AAPL", last: ${last} ${args}) { ${fields} } }`)
  const composed = positive(fewMonths - (await daily(5)) - composedDay * 6 * partsPerCandle('MONTH_1'), 5)
  const hours = (last: number, args: string): Promise<number> =>
    cpu(`{ candles(symbol: "AAPL", ${args}, last: ${last}) { stale } }`)
  const composedPart = positive(
    ((await hours(2000, 'interval: HOUR_2')) - (await hours(200, 'interval: HOUR_2'))) / 1800 / 2 - row,
  )
  const none = 'adjustment: NONE'
  const adjustedHour = positive(
    ((await hours(6000, `interval: HOUR_1, ${none}`)) - (await hours(500, `interval: HOUR_1, ${none}`))) / 5500 - row,
  )
  const [fewAdjusted, manyAdjusted] = [await daily(500, none), await daily(3000, none)]
  const adjustedRow = positive((manyAdjusted - fewAdjusted) / 2500 - row)
  const adjusted = positive(fewAdjusted - (await daily(500)) - 500 * adjustedRow, 10)
  const closes = 'columns { close open high low }'
  const plainNumber = positive(
    ((await daily(3000, none, closes)) - manyAdjusted - ((await daily(100, none, closes)) - (await daily(100, none)))) /
      (4 * 2900),
  )
  const columns = (last: number): Promise<number> => cpu(minutes(last, `columns { ${six} }`))
  const columnNumber = positive(((await columns(20_000)) - (await columns(1000))) / 19_000 / 6 - row / 6)
  const column = positive(((await cpu(hundred(`columns { ${six} }`))) - (await cpu(hundred('columns { close }')))) / 5)
  const slowly = (last: number): Promise<number> => cpu(minutes(last, `columns { ${six} }`, interpreted))
  const interpretedNumber = positive(((await slowly(6000)) - (await slowly(1000))) / (6 * 5000))
  const newSeriesOf = (last: number): Promise<number> =>
    // Each interval of each symbol is new once; the database has seen it in an earlier round at most.
    fresh((i) => ({
      query: `{ candles(symbol: "AAPL", interval: MINUTE_5, from: "${daysAgo(400 + last / 288 + (i % 300))}", to: "${daysAgo(400 + (i % 300))}") { stale } }`,
    }))
  const [fewNew, manyNew] = [await newSeriesOf(100), await newSeriesOf(2000)]
  const newRow = positive((manyNew - fewNew) / 1900)
  const newSeries = positive(fewNew - request - series - 100 * newRow, 100)

  const signals = (last: number): Promise<number> => cpu(minutes(last, 'signals { price }'))
  const signalRow = positive(((await signals(4000)) - (await signals(1000))) / 3000 - 0.7 * (leaf + object))

  const indicators = {} as Record<IndicatorName, { row: number; window: number; fixed: number }>
  const base = await cpu(minutes(rows, 'columns { close }'))
  const minutely: Range = { interval: 'MINUTE_1', last: rows, base, history: 43_000 }
  // Long windows need more minutes than are kept in memory.
  const daily300: Range = {
    interval: 'DAY_1',
    last: 300,
    base: await daily(300, '', 'columns { close }'),
    history: 4300,
  }
  // Next to nothing is computed for a rate of change: this is the JSON of its numbers.
  const written = positive(((await weighOnce('roc', 'columns', null, minutely)) - base) / (rows + 498))
  for (const name of indicatorNames) indicators[name] = await weighIndicator(name)
  const remembered = await cpu(minutes(500, `columns { ${times(20, (i) => `a${i}: sma(period: ${i + 2})`)} }`))
  const indicator = positive(
    (remembered - (await cpu(minutes(500, 'columns { close }')))) / 20 - column - 500 * columnNumber,
    1,
  )
  const smaFresh = await weighOnce('sma', 'points', 20, minutely)
  const point = positive((smaFresh - base - indicators.sma.row * rows) / rows - object - 2 * leaf)

  /** Among all kinds of operations: what is asked again at once is found in the caches of the processor. */
  async function weighRequest(): Promise<number> {
    const found: number[] = []
    for (let i = 0; i < 60; i++) {
      await app.ask([JSON.stringify(generatedOperation(schema, market, 200_000 + i))])
      const one = await app.measure(() => ({ query: `{ a${i}: __typename }` }), {
        warmUps: 1,
        warmUpMs: 0,
        measuredMs: 0.5,
      })
      found.push(one.micros)
    }
    return median(found)
  }

  async function weighOnce(
    name: IndicatorName,
    shape: 'columns' | 'points',
    window: number | null,
    { interval, last }: Range,
  ): Promise<number> {
    const { point } = catalogue[name]
    const main = mainParameter(name)
    const args = main !== null && window !== null ? `(${main}: ${window})` : ''
    const parts = Object.keys(pointShapes[point])
    const below = point === 'IndicatorPoint' ? '' : `{ ${parts.join(' ')} }`
    const fields =
      shape === 'columns' ? `columns { ${name}${args} ${below} }` : `${name}${args} { epoch ${parts.join(' ')} }`
    // Another range is another list of candles, of which nothing is remembered.
    return fresh((i) => ({
      query: `query ($l: Int!) { candles(symbol: "AAPL", interval: ${interval}, last: $l) { ${fields} } }`,
      variables: { l: last + (i % 997) },
    }))
  }

  async function weighIndicator(name: IndicatorName): Promise<{ row: number; window: number; fixed: number }> {
    const usual = Object.fromEntries(Object.entries(catalogue[name].parameters).map(([key, of]) => [key, of.default]))
    const main = mainParameter(name)
    const longest = (args: object): number =>
      Math.max(0, ...Object.values(args).filter((value) => Number.isInteger(value)))
    const parts = Object.keys(pointShapes[catalogue[name].point]).length
    const perRow = async (window: number | null, range: Range): Promise<[perRow: number, window: number]> => {
      const args = main !== null && window !== null ? { ...usual, [main]: window } : usual
      const shown = range.last + 498
      const before = Math.min(indicatorWarmUp(name, args, range.interval), range.history - shown)
      const micros =
        (await weighOnce(name, 'columns', window, range)) - range.base - before * row - shown * parts * written
      return [micros / (shown + before), longest(args)]
    }
    const [short, shortWindow] = await perRow(null, minutely)
    const few = (fields: string): Promise<number> =>
      cpu(`{ candles(symbol: "AAPL", last: 3) { columns { ${fields} } } }`)
    // What is drawn ahead takes the sessions to come, however few candles there are.
    const fixed = name === 'ichimoku' ? (await few('ichimoku { base }')) - (await few('close')) - short * 80 : 0
    if (main === null) return { row: positive(short), window: 0, fixed }
    const [long, longest2] = await perRow(longWindow, daily300)
    const window = Math.max(0, (long - short) / (longest2 - shortWindow))
    return { row: positive(short - window * shortWindow), window, fixed }
  }

  const found = 'query ($q: String!) { searchInstruments(query: $q, first: 10) { symbol } }'
  const many20k = Array.from({ length: 20_000 }, (_, i) => `x${i}`)
  const value = (await cpu('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: many20k })) / many20k.length
  const search = positive((await fresh((i) => ({ query: found, variables: { q: `qq${i}` } }))) - request, 10)
  const pageOf = (first: number): Promise<number> => cpu(`{ jobs(first: ${first}) { edges { cursor } } }`)
  const [short, long] = [await pageOf(1), await pageOf(100)]
  const pageRow = positive((long - short) / 99 - object - leaf)
  const page = positive(short - request, 50)
  const jobAt = (fields: string): Promise<number> => cpu(`{ job(id: "${jobs[0]}") { id ${fields} } }`)
  const [bare, whole] = [await jobAt(''), await jobAt('result { ... on AnalysisResult { analyses { symbol } } }')]
  const jobResult = positive((whole - bare) / 2, 50)
  const jobSymbol = positive((whole - bare) / 2 / 20 - object - leaf)
  const enqueueOf = (count: number): Promise<number> =>
    cpu(
      'mutation ($s: [Symbol!]!, $r: DateTime!) { enqueueAnalysis(input: { symbols: $s, runAt: $r }) { __typename } }',
      {
        s: symbols.slice(0, count),
        r: new Date(Date.now() + 864_000_000).toISOString(),
      },
    )
  const [oneEnqueued, fiftyEnqueued] = [await enqueueOf(1), await enqueueOf(50)]
  const actionsOf = (fields: string): Promise<number> =>
    cpu(`{ ${times(10, (i) => `a${i}: instrument(symbol: "${symbols[i]}") { symbol ${fields} }`)} }`)
  const actions = positive(((await actionsOf('splits { time }')) - (await actionsOf(''))) / 10, 1)

  return {
    ...{
      request,
      newDocument,
      newField,
      pair,
      leaf,
      instant,
      object,
      interpretedLeaf,
      interpretedObject,
      error,
      listing,
    },
    ...{
      series,
      firstSeries,
      row,
      newSeries,
      newRow,
      composed,
      composedPart,
      composedDay,
      adjusted,
      adjustedRow,
      adjustedHour,
      node,
      column,
      columnNumber,
      plainNumber,
    },
    ...{ interpretedNumber, indicator, point, written, signalRow, search, page, pageRow, jobResult, jobSymbol },
    ...{
      enqueue: oneEnqueued - request,
      jobAction: positive((await cpu(`mutation { cancelJob(id: "${jobs[0]}") { __typename } }`)) - request, 50),
      enqueueSymbol: positive((fiftyEnqueued - oneEnqueued) / 49),
      session: 1,
      value,
      actions,
    },
    ...{ seat: 5, liveSeries: 300, indicators },
  }
}

const daysAgo = (days: number): string =>
  new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - days * 86_400_000).toISOString()

/** The parameter that makes the window of an indicator, which is the longest of its periods; null: it has none. */
function mainParameter(name: IndicatorName): string | null {
  const periods = Object.entries(catalogue[name].parameters).filter(([, of]) => of.type === 'Int')
  const longest = Math.max(...periods.map(([, of]) => of.default as number))
  return periods.find(([, of]) => of.default === longest)?.[0] ?? null
}
