import { catalogue } from '../../src/analysis/indicators/catalogue.ts'
import { pointShapes } from '../../src/analysis/indicators/indicator.ts'
import { type IndicatorName, indicatorNames, indicatorWarmUp } from '../../src/analysis/indicators/points.ts'
import { calendarOf } from '../../src/domain/exchange-calendar/calendars.ts'
import { partsPerCandle } from '../../src/domain/time/interval.ts'
import { daySeconds } from '../../src/domain/time/units.ts'
import { schema } from '../../src/schema/index.ts'
import type { weights } from '../../src/schema/price/weights.ts'
import { mean, median } from '../support/table.ts'
import { generatedOperation, type Known } from './generated.ts'
import { type Asked, type MeasuredApp, threadMicros } from './measured-app.ts'

type Widened<T> = { readonly [Name in keyof T]: T[Name] extends number ? number : Widened<T[Name]> }
export type Weights = Widened<typeof weights>

const pace = { warmUps: 14, warmUpMs: 300, measuredMs: 20 }
/** Two operations that are compared take turns so often. */
const batches = 9
const batch = { warmUps: 0, warmUpMs: 0, measuredMs: 2 }
/** Ranges that differ have up to so many candles more than the shortest. */
const differentRanges = 997
const meanMore = (differentRanges - 1) / 2
/** Takes these in an order of which every part has about the same mean. */
const spread = 619
/** How often subscriptions are begun that are measured together. */
const beginnings = 5
/** Rows of the series by which indicators are weighed, and the parameters that make a window short or long. */
const rows = 4000
const longWindow = 600

/** Candles of which indicators are weighed: `last` and up to a thousand more. */
interface Range {
  readonly interval: 'MINUTE_1' | 'DAY_1'
  readonly last: number
  readonly history: number
}

/** The longest of the series that are new has so many days and one more. */
const newDays = 8
/** Ten. */
const quoteFields = ['price', 'open', 'dayHigh', 'dayLow', 'volume', 'change', 'bid', 'ask', 'stale', 'symbol']

const pairsOf = (count: number): number => (count * (count - 1)) / 2

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

/**
 * Each weight is the difference between two operations that differ in one thing, by how often they do. Of noise it may be
 * less than nothing.
 */
export async function measureWeights(app: MeasuredApp, market: Known, round: number): Promise<Weights> {
  const { symbols, jobs } = market
  const asked = (query: string, variables: Asked['variables'] = {}): Asked => ({ query, variables })
  /** How many requests have been another each time. */
  let unlike = 0
  /** By how much one operation takes more than another. They take turns, so that both meet the same machine. */
  async function extraOf(more: (i: number) => Asked, less: (i: number) => Asked): Promise<number> {
    for (const each of [more, less]) await app.measure(() => each(unlike++), { ...pace, measuredMs: 0.1 })
    const found: number[] = []
    for (let i = 0; i < batches; i++) {
      const [one, other] = [
        await app.measure(() => more(unlike++), batch),
        await app.measure(() => less(unlike++), batch),
      ]
      found.push(one.micros - other.micros)
    }
    return median(found)
  }
  const extra = (more: Asked | string, less: Asked | string): Promise<number> => {
    const [one, other] = [more, less].map((each) => (typeof each === 'string' ? asked(each) : each)) as [Asked, Asked]
    return extraOf(
      () => one,
      () => other,
    )
  }
  const bare = '{ __typename }'
  const minutes = (last: number, fields: string, directive = ''): string =>
    `{ candles(symbol: "AAPL", interval: MINUTE_1, last: ${last}) { ${fields} } ${directive} }`
  const interpreted = '__typename @include(if: true)'
  const six = 'epoch open high low close volume'

  const request = await weighRequest()
  const closesOf = (last: number): string => minutes(last, 'nodes { close }')
  const leaf = (await extra(minutes(3000, `nodes { ${six} }`), closesOf(3000))) / (5 * 3000)
  const instant = (await extra(minutes(3000, 'nodes { close time }'), closesOf(3000))) / 3000
  const instruments = (field: string): Asked =>
    asked(`query ($s: [Symbol!]!) { instruments(symbols: $s) { ${times(20, (i) => `a${i}: ${field}`)} } }`, {
      s: symbols,
    })
  const object = (await extra(instruments('exchange { code }'), instruments('symbol'))) / (20 * symbols.length)
  const node = (await extra(closesOf(3000), closesOf(1000))) / 2000 - leaf - object
  const slowNodes = (last: number, fields: string): string => minutes(last, `nodes { ${fields} }`, interpreted)
  const interpretedLeaf = (await extra(slowNodes(3000, six), slowNodes(3000, 'close'))) / (5 * 3000)
  const interpretedObject =
    (await extra(slowNodes(3000, 'close'), slowNodes(1000, 'close'))) / 2000 - node - interpretedLeaf

  const quotes = (count: number): Asked =>
    asked('query ($s: [Symbol!]!) { quotes(symbols: $s) { price } }', { s: symbols.slice(0, count) })
  const listing = (await extra(quotes(50), quotes(10))) / 40 - object - leaf
  const quotesOf = (symbol: (i: number) => string): string =>
    `{ ${times(20, (i) => `a${i}: quote(symbol: "${symbol(i)}") { price }`)} }`
  // An answer with errors is interpreted a second time.
  const right = quotesOf((i) => symbols[i] ?? '')
  const error =
    ((await extra(
      quotesOf(() => 'NOSUCH'),
      right,
    )) -
      (await extra(right, bare))) /
    20

  const newQuote = (fields: (i: number) => string) => (i: number) => asked(`{ quote(symbol: "AAPL") { ${fields(i)} } }`)
  const newDocument = await extraOf(
    (i) => asked(`{ a${i}: __typename }`),
    () => asked(bare),
  )
  const newFields = (count: number) => newQuote((i) => times(count, (k) => `a${i}x${k}: price`))
  const newField = (await extraOf(newFields(101), newFields(1))) / 100 - interpretedLeaf
  // As many fields are selected, once ninety of one name and once nine of each of ten.
  const oneName = newQuote((i) => `a${i}: price ${times(90, () => 'open')}`)
  const tenNames = newQuote((i) => `a${i}: price ${times(90, (k) => quoteFields[k % quoteFields.length] ?? '')}`)
  const morePairs = pairsOf(90) - quoteFields.length * pairsOf(90 / quoteFields.length)
  const fewerFields = quoteFields.length - 1
  const pair = ((await extraOf(oneName, tenNames)) + fewerFields * interpretedLeaf) / morePairs

  const hundred = (fields: string): string => `{ candles(symbol: "AAPL", interval: HOUR_1, last: 100) { ${fields} } }`
  const seriesOf = (count: number): string =>
    `{ ${times(count, (i) => `a${i}: candles(symbol: "${symbols[i]}", last: 100) { stale }`)} }`
  const series = (await extra(seriesOf(11), seriesOf(1))) / 10
  const firstSeries = (await extra(minutes(5, 'stale'), bare)) - series
  const row = (await extra(minutes(20_000, 'stale'), minutes(100, 'stale'))) / 19_900
  const candlesOf = (last: number, args = '', fields = 'stale'): string =>
    `{ candles(symbol: "AAPL", last: ${last}, ${args}) { ${fields} } }`
  const months = (last: number): string => candlesOf(last, 'interval: MONTH_1')
  const composedDay = (await extra(months(100), months(5))) / 95 / partsPerCandle('MONTH_1') - row
  const composed = (await extra(months(5), candlesOf(5))) - composedDay * 6 * partsPerCandle('MONTH_1')
  const twoHours = (last: number): string => candlesOf(last, 'interval: HOUR_2')
  const composedPart = (await extra(twoHours(2000), twoHours(200))) / 1800 / 2 - row
  const none = 'adjustment: NONE'
  const adjustedHours = (last: number): string => candlesOf(last, `interval: HOUR_1, ${none}`)
  const adjustedHour = (await extra(adjustedHours(6000), adjustedHours(500))) / 5500 - row
  const adjustedRow = (await extra(candlesOf(3000, none), candlesOf(500, none))) / 2500 - row
  const adjusted = (await extra(candlesOf(500, none), candlesOf(500))) - 500 * adjustedRow
  const closes = 'columns { close open high low }'
  const plainOf = (last: number): Promise<number> => extra(candlesOf(last, none, closes), candlesOf(last, none))
  const plainNumber = ((await plainOf(3000)) - (await plainOf(100))) / (4 * 2900)
  const columns = (last: number): string => minutes(last, `columns { ${six} }`)
  const columnNumber = (await extra(columns(20_000), columns(1000))) / 19_000 / 6 - row / 6
  const column = (await extra(hundred(`columns { ${six} }`), hundred('columns { close }'))) / 5
  const slowly = (last: number): string => minutes(last, `columns { ${six} }`, interpreted)
  const interpretedNumber = (await extra(slowly(6000), slowly(1000))) / (6 * 5000)
  // No range has days in common with another one, nor a symbol with that of another round.
  const newSeriesOf = (last: number) => (i: number) => {
    const to = 400 + newDays * (i % 300)
    const range = `from: "${daysAgo(to + last / 288)}", to: "${daysAgo(to)}"`
    return asked(`{ candles(symbol: "${symbols[round]}", interval: MINUTE_5, ${range}) { stale } }`)
  }
  const newRow = (await extraOf(newSeriesOf(2000), newSeriesOf(100))) / 1900
  const newSeries = (await extraOf(newSeriesOf(100), (i) => asked(`{ a${i}: __typename }`))) - series - 100 * newRow

  const signals = (last: number): string => minutes(last, 'signals { price }')
  const signalRow = (await extra(signals(4000), signals(1000))) / 3000 - 0.7 * (leaf + object)

  const indicators = {} as Record<IndicatorName, { row: number; window: number; fixed: number }>
  const minutely: Range = { interval: 'MINUTE_1', last: rows, history: 43_000 }
  // Long windows need more minutes than are kept in memory.
  const daily: Range = { interval: 'DAY_1', last: 300, history: 4300 }
  // Next to nothing is computed for a rate of change: this is the JSON of its numbers.
  const written = (await weighOnce('roc', 'columns', null, minutely)) / (rows + meanMore)
  for (const name of indicatorNames) indicators[name] = await weighIndicator(name)
  const remembered = minutes(500, `columns { ${times(20, (i) => `a${i}: sma(period: ${i + 2})`)} }`)
  const indicator = (await extra(remembered, minutes(500, 'columns { close }'))) / 20 - column - 500 * columnNumber
  const smaPoints = (await weighOnce('sma', 'points', 20, minutely)) / (rows + meanMore)
  const point = smaPoints - indicators.sma.row - 20 * indicators.sma.window - object - 2 * leaf

  async function weighSubscriptions() {
    const count = 50
    const watching = (of: readonly string[]): Asked => ({
      query: 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { price } }',
      variables: { s: of },
    })
    const repeated = (of: Asked, times = count): Asked[] => Array.from({ length: times }, () => of)
    // Others hold these symbols by now, so nothing waits for its first price.
    await app.measureBegin([watching(symbols)], symbols.length)
    const begun = async (subscriptions: readonly Asked[], events: number): Promise<number> =>
      (await app.measureBegin(subscriptions, events)).micros / subscriptions.length
    /** As `extraOf` for two ways to begin; and what the second takes. */
    async function extraToBegin(more: () => Promise<number>, less: () => Promise<number>): Promise<[number, number]> {
      const extras: number[] = []
      const others: number[] = []
      for (let i = 0; i < beginnings; i++) {
        const [one, other] = [await more(), await less()]
        extras.push(one - other)
        others.push(other)
      }
      return [median(extras), median(others)]
    }
    const few = symbols.slice(0, 5)
    const [extraPlaces, fewBegun] = await extraToBegin(
      () => begun(repeated(watching(symbols)), symbols.length),
      () => begun(repeated(watching(few)), few.length),
    )
    const perPlace = extraPlaces / (symbols.length - few.length)
    const watchedMs = 1200
    const [one, many] = [
      await app.measureEvents([watching(symbols)], symbols.length, watchedMs),
      await app.measureEvents(repeated(watching(symbols), 100), symbols.length, watchedMs),
    ]
    const delivery = (many.micros - one.micros) / (many.events - one.events)
    // Its first event is written by itself, where later ones of many leave together.
    const seat = perPlace - delivery
    const subscription = fewBegun - few.length * perPlace

    const live = (symbol: string | undefined, fields: string, args = ''): Asked => ({
      query: `subscription { candleUpdates(symbol: "${symbol}" ${args}) { ${fields} } }`,
    })
    const each = symbols.map((symbol) => live(symbol, 'kind'))
    // The candles are in memory from then on.
    await app.measureBegin(each, 1)
    const ones = symbols.map((symbol) => watching([symbol]))
    const [extraOfSeries] = await extraToBegin(
      () => begun(each, 1),
      () => begun(ones, 1),
    )
    const liveSeries = extraOfSeries + seat
    const from = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 199 * 60_000).toISOString()
    const events = async (period: number): Promise<number> => {
      const chart = live('AAPL', `series { columns { roc(period: ${period}) } }`, `from: "${from}"`)
      const found: number[] = []
      for (let i = 0; i < beginnings; i++) found.push((await app.measureBegin([chart], 200)).micros / 200)
      return median(found)
    }
    await events(1000)
    const eventRow = ((await events(1000)) - (await events(100))) / 900 - indicators.roc.row
    return { subscription, seat, delivery, liveSeries, eventRow }
  }

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
    const ofRange = (fields: string) => (i: number) =>
      asked(`query ($l: Int!) { candles(symbol: "AAPL", interval: ${interval}, last: $l) { ${fields} } }`, {
        l: last + ((i * spread) % differentRanges),
      })
    return extraOf(ofRange(fields), ofRange('columns { close }'))
  }

  async function weighIndicator(name: IndicatorName): Promise<{ row: number; window: number; fixed: number }> {
    const usual = Object.fromEntries(Object.entries(catalogue[name].parameters).map(([key, of]) => [key, of.default]))
    const main = mainParameter(name)
    const longest = (args: object): number =>
      Math.max(0, ...Object.values(args).filter((value) => Number.isInteger(value)))
    const parts = Object.keys(pointShapes[catalogue[name].point]).length
    const perRow = async (window: number | null, range: Range): Promise<[perRow: number, window: number]> => {
      const args = main !== null && window !== null ? { ...usual, [main]: window } : usual
      const shown = range.last + meanMore
      const before = Math.min(indicatorWarmUp(name, args, range.interval), range.history - shown)
      const micros = (await weighOnce(name, 'columns', window, range)) - before * row - shown * parts * written
      const candles = shown + before
      // Candles that only fill the first window have none of their own.
      const windows = Math.max(shown, candles - longest(args))
      return [micros / candles, (windows / candles) * longest(args)]
    }
    const [short, shortWindow] = await perRow(null, minutely)
    const few = (fields: string): string => candlesOf(3, '', `columns { ${fields} }`)
    // What is drawn ahead takes the sessions to come, however few candles there are.
    const fixed = name === 'ichimoku' ? (await extra(few('ichimoku { base }'), few('close'))) - short * 80 : 0
    if (main === null) return { row: short, window: 0, fixed }
    const [long, longest2] = await perRow(longWindow, daily)
    const window = Math.max(0, (long - short) / (longest2 - shortWindow))
    return { row: short - window * shortWindow, window, fixed }
  }

  const search = await extraOf(
    (i) => asked('query ($q: String!) { searchInstruments(query: $q, first: 10) { symbol } }', { q: `qq${i}` }),
    () => asked(bare),
  )
  const many20k = Array.from({ length: 20_000 }, (_, i) => `x${i}`)
  const nodesOf = (ids: readonly string[]): Asked => asked('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })
  const value = (await extra(nodesOf(many20k), nodesOf(many20k.slice(0, 1)))) / many20k.length
  const pageOf = (first: number): string => `{ jobs(first: ${first}) { edges { cursor } } }`
  const pageRow = (await extra(pageOf(100), pageOf(1))) / 99 - object - leaf
  const page = await extra(pageOf(1), bare)
  const jobAt = (fields: string): string => `{ job(id: "${jobs[0]}") { id ${fields} } }`
  const result = await extra(jobAt('result { ... on AnalysisResult { analyses { symbol } } }'), jobAt(''))
  const jobResult = result / 2
  const jobSymbol = result / 2 / 20 - object - leaf
  const enqueueOf = (count: number): Asked =>
    asked(
      'mutation ($s: [Symbol!]!, $r: DateTime!) { enqueueAnalysis(input: { symbols: $s, runAt: $r }) { __typename } }',
      { s: symbols.slice(0, count), r: new Date(Date.now() + 864_000_000).toISOString() },
    )
  const enqueue = await extra(enqueueOf(1), bare)
  const enqueueSymbol = (await extra(enqueueOf(50), enqueueOf(1))) / 49
  const jobAction = await extra(`mutation { cancelJob(id: "${jobs[0]}") { __typename } }`, bare)
  const actionsOf = (fields: string): string =>
    `{ ${times(10, (i) => `a${i}: instrument(symbol: "${symbols[i]}") { symbol ${fields} }`)} }`
  const actions = (await extra(actionsOf('splits { time }'), actionsOf(''))) / 10
  // Exchanges of the simulated market have no calendars, so there is no operation that would show them.
  const session = (sessionMicros(380) - sessionMicros(20)) / 360 / sessionsPerDate

  const { subscription, seat, delivery, liveSeries, eventRow } = await weighSubscriptions()

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
    ...{ enqueue, jobAction, enqueueSymbol, session, value, actions },
    ...{ subscription, seat, delivery, liveSeries, eventRow, indicators },
  }
}

const sessionsPerDate = 5 / 7

/** CPU of finding the sessions of New York in so many dates. */
function sessionMicros(dates: number): number {
  const calendar = calendarOf('NMS')
  if (!calendar) throw new Error('New York has a calendar')
  const first = Date.parse('2025-01-06') / 1000
  const found = Array.from({ length: 300 }, () => {
    const before = threadMicros()
    calendar.sessions(first, first + dates * daySeconds)
    return threadMicros() - before
  })
  // Of the last, which are compiled. The clock is too coarse for a single one.
  return mean(found.slice(100))
}

const daysAgo = (days: number): string =>
  new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - days * 86_400_000).toISOString()

/** The parameter that makes the window of an indicator, which is the longest of its periods; null: it has none. */
function mainParameter(name: IndicatorName): string | null {
  const periods = Object.entries(catalogue[name].parameters).filter(([, of]) => of.type === 'Int')
  const longest = Math.max(...periods.map(([, of]) => of.default as number))
  return periods.find(([, of]) => of.default === longest)?.[0] ?? null
}
