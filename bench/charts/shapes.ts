import {
  candleColumns,
  chartLength,
  daySeconds,
  type FiveIndicators,
  fiveIndicators,
  history,
  longSymbol,
  type Market,
  newest,
  randomFrom,
  symbolAt,
} from './market.ts'

/** What a client asks for. Every document has a name, by which a server without GraphQL tells it. */
export interface Shape {
  readonly document: string
  readonly variables: (pick: Pick, market: Market) => Record<string, unknown>
  /** Throws if parsed data of an answer is not what the market has. */
  readonly check: (data: unknown, pick: Pick, market: Market) => void
  /** Of a pick, every answer begins alike up to this key. */
  readonly fixedUntil: string
  /**
   * Keys, one behind the other, after the last of which every answer of a pick goes on alike for `spotBytes`. The rest
   * moves with the open candle.
   */
  readonly spots: (pick: Pick, market: Market) => readonly (readonly string[])[]
  /** How far the length of an answer may be from that of the first, in bytes. */
  readonly slack: number
}

/** The symbol or board that a request is for, by its rank, and how many requests of this shape came before. */
export interface Pick {
  readonly rank: number
  readonly turn: number
}

const boardSymbols = 50
const boardLength = 30

const candles = candleColumns.join(' ')
const defaults = `sma(period: 20) { epoch value } ema(period: 20) { epoch value } rsi(period: 14) { epoch value }
  macd { epoch macd signal histogram } bollingerBands(period: 20) { epoch upper middle lower }`

const each =
  (...keys: string[]) =>
  (): string[][] =>
    keys.map((key) => [key])

const symbolOf = ({ rank }: Pick): Record<string, unknown> => ({ symbol: symbolAt(rank) })

export const shapes = {
  columns: {
    document: `query Columns($symbol: Symbol!) { candles(symbol: $symbol, last: ${chartLength}) { columns { ${candles} } } }`,
    variables: symbolOf,
    check: (data, { rank }, market) => checkCandles(columnsOf(data), rank, market),
    fixedUntil: '"high":[',
    spots: each('"low":[', '"close":[', '"volume":['),
    slack: 48,
  },
  indicators: {
    document: `query Indicators($symbol: Symbol!) { candles(symbol: $symbol, last: ${chartLength}) { columns { ${candles}
      sma(period: 20) ema(period: 20) rsi(period: 14) macd { macd signal histogram }
      bollingerBands(period: 20) { upper middle lower } } } }`,
    variables: symbolOf,
    check: (data, { rank }, market) => {
      const columns = columnsOf(data)
      checkCandles(columns, rank, market)
      checkIndicators(columns as unknown as FiveIndicators, rank, market)
    },
    fixedUntil: '"high":[',
    spots: each('"close":[', '"sma":[', '"rsi":[', '"histogram":[', '"lower":['),
    slack: 240,
  },
  points: {
    document: `query Points($symbol: Symbol!) { candles(symbol: $symbol, last: ${chartLength}) { columns { ${candles} } ${defaults} } }`,
    variables: symbolOf,
    check: (data, { rank }, market) => {
      const { candles: series } = data as { candles: Record<string, Record<string, number>[]> }
      checkCandles(columnsOf(data), rank, market)
      const of = (list: string, name: string): number[] =>
        (series[list] ?? []).map((point) => point[name] ?? Number.NaN)
      const indicators: FiveIndicators = {
        sma: of('sma', 'value'),
        ema: of('ema', 'value'),
        rsi: of('rsi', 'value'),
        macd: { macd: of('macd', 'macd'), signal: of('macd', 'signal'), histogram: of('macd', 'histogram') },
        bollingerBands: {
          upper: of('bollingerBands', 'upper'),
          middle: of('bollingerBands', 'middle'),
          lower: of('bollingerBands', 'lower'),
        },
      }
      checkIndicators(indicators, rank, market)
      const time = newest(history(rank, market.today), chartLength).time
      if (!same(of('sma', 'epoch'), time) || !same(of('macd', 'epoch'), time)) throw new Error('points of other times')
    },
    fixedUntil: '"high":[',
    spots: each('"close":[', '"sma":[', '"rsi":[', '"macd":[', '"bollingerBands":['),
    slack: 240,
  },
  unseen: {
    document: `query Unseen($symbol: Symbol!, $source: PriceField!, $sma: Int!, $ema: Int!, $rsi: Int!, $fast: Int!, $slow: Int!, $deviations: Float!) {
      candles(symbol: $symbol, last: ${chartLength}) { columns { ${candles}
      sma(period: $sma, source: $source) ema(period: $ema, source: $source) rsi(period: $rsi, source: $source)
      macd(fast: $fast, slow: $slow) { macd signal histogram }
      bollingerBands(period: 20, stdDev: $deviations) { upper middle lower } } } }`,
    variables: (pick) => ({ ...symbolOf(pick), ...unseenParameters(pick) }),
    check: (data, { rank }, market) => {
      const columns = columnsOf(data)
      checkCandles(columns, rank, market)
      const lists = [columns.sma, columns.ema, columns.rsi] as unknown as number[][]
      if (lists.some((list) => list.length !== chartLength)) throw new Error('an indicator has not all values')
    },
    fixedUntil: '"high":[',
    spots: each('"close":[', '"volume":['),
    slack: 8000,
  },
  board: {
    document: `query Board($symbols: [Symbol!]!) { instruments(symbols: $symbols) { symbol quote { price changePercent } candles(last: ${boardLength}) { columns { close } } } }`,
    variables: (pick, market) => ({ symbols: boardOf(pick, market).map(symbolAt) }),
    check: (data, pick, market) => {
      const { instruments } = data as { instruments: BoardEntry[] }
      const ranks = boardOf(pick, market)
      if (instruments.length !== ranks.length) throw new Error('a board with other symbols')
      for (const [i, { symbol, quote, candles }] of instruments.entries()) {
        const rank = ranks[i] ?? -1
        const { close } = newest(history(rank, market.today), boardLength)
        const isRight = symbol === symbolAt(rank) && quote.price > 0 && Number.isFinite(quote.changePercent)
        if (!isRight || !same(candles.columns.close.slice(0, -1), close.slice(0, -1)))
          throw new Error(`a wrong ${symbol}`)
      }
    },
    fixedUntil: '"quote":',
    spots: (pick, market) =>
      [0, 17, 34, 49].map((at) => [`"symbol":"${symbolAt(boardOf(pick, market)[at] ?? 0)}"`, '"close":[']),
    slack: 30 * boardSymbols,
  },
  range: {
    document: `query Range($symbol: Symbol!, $from: DateTime!, $to: DateTime!) { candles(symbol: $symbol, from: $from, to: $to) { columns { ${candles} } } }`,
    variables: (pick, { today }) => ({ ...symbolOf(pick), from: dateOf(today - 1430), to: dateOf(today - 30) }),
    check: (data) => {
      if (columnsOf(data).close?.length !== chartLength) throw new Error('too few candles')
    },
    fixedUntil: '"high":[',
    spots: each('"close":['),
    slack: 0,
  },
  quote: {
    document: 'query Quote($symbol: Symbol!) { quote(symbol: $symbol) { symbol price } }',
    variables: symbolOf,
    check: (data, { rank }) => {
      const { quote } = data as { quote: { symbol: string; price: number } }
      if (quote.symbol !== symbolAt(rank) || !(quote.price > 0)) throw new Error('a wrong quote')
    },
    fixedUntil: '"price":',
    spots: each(),
    slack: 4,
  },
} satisfies Record<string, Shape>

/** A chart of as many rows and indicators as an operation is granted, of one symbol. */
export const longChart = {
  symbol: longSymbol,
  rows: 20_000,
  columns: longDocument((name) => name),
  points: longDocument((name) => `${name} { epoch value }`),
}

function longDocument(field: (name: string) => string): string {
  const indicators = Array.from({ length: 20 }, (_, i) => {
    const name = ['sma', 'ema', 'rsi', 'wma'][i % 4]
    return field(`i${i}: ${name}(period: ${5 + i})`)
  }).join(' ')
  const isByColumn = field('') === ''
  const columns = `columns { ${candles} ${isByColumn ? indicators : ''} } ${isByColumn ? '' : indicators}`
  return `query Long($symbol: Symbol!) { candles(symbol: $symbol, last: 20000) { ${columns} } }`
}

export const spotBytes = 64
/** How many boards there are. */
export const boards = 100

const boardsMade = new Map<string, number[]>()

/** The symbols of a board: popular ones are on many, as Zipf's law has it. */
export function boardOf({ rank }: Pick, { symbols }: Market): number[] {
  const key = `${rank} ${symbols}`
  const made = boardsMade.get(key)
  if (made) return made
  const draw = zipf(symbols, randomFrom(1e6 + rank))
  const drawn = new Set<number>()
  while (drawn.size < boardSymbols) drawn.add(draw())
  boardsMade.set(key, [...drawn])
  return [...drawn]
}

/** Draws ranks from 0: the k-th is drawn in proportion to 1 / k. */
export function zipf(count: number, random: () => number): () => number {
  let sum = 0
  const upTo = Float64Array.from({ length: count }, (_, i) => (sum += 1 / (i + 1)))
  return () => {
    const wanted = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((upTo[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

export interface UnseenParameters {
  readonly source: string
  readonly sma: number
  readonly ema: number
  readonly rsi: number
  readonly fast: number
  readonly slow: number
  readonly deviations: number
}

const sources = ['CLOSE', 'OPEN', 'HIGH', 'LOW', 'HL2', 'HLC3', 'OHLC4']

/** Different ones for each of 70 turns of a symbol, and none of the defaults. */
export const unseenParameters = ({ turn }: Pick): UnseenParameters => ({
  source: sources[Math.floor(turn / 10) % sources.length] ?? '',
  sma: 21 + (turn % 40),
  ema: 21 + (turn % 20),
  rsi: 15 + (turn % 10),
  fast: 5 + (turn % 7),
  slow: 27 + (turn % 13),
  deviations: 1 + (turn + 1) / 1000,
})

type Columns = Readonly<Record<string, number[]>>

interface BoardEntry {
  readonly symbol: string
  readonly quote: { readonly price: number; readonly changePercent: number }
  readonly candles: { readonly columns: { readonly close: number[] } }
}

const columnsOf = (data: unknown): Columns => (data as { candles: { columns: Columns } }).candles.columns

const dateOf = (day: number): string => new Date(day * daySeconds * 1000).toISOString()

function checkCandles(columns: Columns, rank: number, { today }: Market): void {
  const expected = newest(history(rank, today), chartLength)
  for (const name of candleColumns) {
    const got = columns[name] ?? []
    // The open candle moves; its date and its open stay.
    const isRight =
      name === 'time' || name === 'open'
        ? same(got, expected[name])
        : got.length === chartLength && same(got.slice(0, -1), expected[name].slice(0, -1))
    if (!isRight) throw new Error(`a wrong ${name} of ${symbolAt(rank)}`)
  }
}

function checkIndicators(got: FiveIndicators, rank: number, { today }: Market): void {
  const expected = fiveIndicators(history(rank, today))
  const pairs: [string, readonly number[], readonly number[]][] = [
    ['sma', got.sma, expected.sma],
    ['ema', got.ema, expected.ema],
    ['rsi', got.rsi, expected.rsi],
    ['macd', got.macd.macd, expected.macd.macd],
    ['signal', got.macd.signal, expected.macd.signal],
    ['histogram', got.macd.histogram, expected.macd.histogram],
    ['upper', got.bollingerBands.upper, expected.bollingerBands.upper],
    ['middle', got.bollingerBands.middle, expected.bollingerBands.middle],
    ['lower', got.bollingerBands.lower, expected.bollingerBands.lower],
  ]
  for (const [name, values, wanted] of pairs) {
    const isRight = values.length === chartLength && same(values.slice(0, -1), wanted.slice(0, -1), 1e-6)
    if (!isRight) throw new Error(`a wrong ${name} of ${symbolAt(rank)}`)
  }
}

/** Whether two lists are equal, numbers within this distance, or this part of themselves. */
const same = (a: readonly number[], b: readonly number[], within = 1e-9): boolean =>
  a.length === b.length &&
  a.every((value, i) => Math.abs(value - (b[i] ?? Number.NaN)) <= within * Math.max(1, Math.abs(value)))
