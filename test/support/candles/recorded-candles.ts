import assert from 'node:assert/strict'
import { chartOf, dateIn, type Recording, symbolOf, windowOf } from '../yahoo/test-yahoo-replay.ts'

const daySeconds = 86_400
const prices = ['open', 'high', 'low', 'close'] as const
export const adjustments = ['NONE', 'SPLITS', 'SPLITS_AND_DIVIDENDS'] as const
export type Adjustment = (typeof adjustments)[number]

export interface Candle extends Record<(typeof prices)[number], number> {
  readonly epoch: number
  readonly volume: number
}

/** As it comes out of GraphQL, with `seriesFields`. */
export interface Series {
  readonly nodes: readonly (Candle & { readonly time: string; readonly closed: boolean })[]
  readonly columns: Readonly<Record<(typeof prices)[number] | 'time' | 'volume', readonly number[]>>
  readonly hasEarlier: boolean
}
export const seriesFields = `
  symbol interval adjustment source stale excluded receivedAt hasEarlier
  nodes { time epoch open high low close volume closed } columns { time open high low close volume }`

const intervals: Readonly<Record<string, string>> = { '1m': 'MINUTE_1', '1h': 'HOUR_1', '1d': 'DAY_1' }

export const iso = (epoch: number): string => new Date(epoch * 1000).toISOString()

/** Yahoo's windows include their end, ours do not. */
export function spanOf(recording: Recording): { from: number; to: number } {
  const { period1, period2 } = windowOf(recording)
  return { from: Math.floor(period1 / daySeconds) * daySeconds, to: period2 + daySeconds }
}

export function variablesOf(recording: Recording) {
  const { from, to } = spanOf(recording)
  const interval = intervals[windowOf(recording).interval]
  return { symbol: symbolOf(recording), interval, from: iso(from), to: iso(to) }
}

/** Whether Yahoo says that there are candles before the recorded days: this Yahoo has none of them to give. */
export function tradedBefore(recording: Recording): boolean {
  const { meta, timestamp = [] } = chartOf(recording)
  return typeof meta.firstTradeDate === 'number' && meta.firstTradeDate < (timestamp[0] ?? 0) - daySeconds
}

/** Each on its date at the exchange. */
const onDates = <Event extends { readonly date: number }>(recording: Recording, events: readonly Event[]) =>
  events.map((event) => ({ ...event, epoch: dateIn(chartOf(recording).meta.exchangeTimezoneName, event.date) }))

export const dividendsOf = (recording: Recording) =>
  onDates(recording, Object.values(chartOf(recording).events?.dividends ?? {}))

export const splitsOf = (recording: Recording) =>
  onDates(recording, Object.values(chartOf(recording).events?.splits ?? {}))

/** The fewest decimals that are the same float32. */
export function decimalOf(price: number): number {
  for (let decimals = 0; decimals < 12; decimals++) {
    const candidate = Number(price.toFixed(decimals))
    if (Math.fround(candidate) === Math.fround(price)) return Math.fround(price) === price ? candidate : price
  }
  return price
}

/** What was recorded, adjusted: reckoned here from Yahoo's own numbers. */
export function candlesOf(recording: Recording, adjustment: Adjustment): Candle[] {
  const { meta, timestamp = [], indicators } = chartOf(recording)
  const [quote] = indicators.quote
  const splits = splitsOf(recording)
  return timestamp.map((time, i) => {
    const numberOf = (name: string): number => decimalOf(quote[name]?.[i] ?? Number.NaN)
    const epoch = dateIn(meta.exchangeTimezoneName, time)
    const shares = splits
      .filter((split) => split.epoch > epoch)
      .reduce((product, { numerator, denominator }) => (product * numerator) / denominator, 1)
    const adjustedClose = decimalOf(indicators.adjclose?.[0].adjclose[i] ?? Number.NaN)
    const factor = { NONE: shares, SPLITS: 1, SPLITS_AND_DIVIDENDS: adjustedClose / numberOf('close') }[adjustment]
    return {
      epoch,
      open: numberOf('open') * factor,
      high: numberOf('high') * factor,
      low: numberOf('low') * factor,
      close: adjustment === 'SPLITS_AND_DIVIDENDS' ? adjustedClose : numberOf('close') * factor,
      volume: (quote.volume?.[i] ?? Number.NaN) / (adjustment === 'NONE' ? shares : 1),
    }
  })
}

/** To the last bit; but of what was scaled by dividends, only the close is Yahoo's own number. */
export function assertCandles(
  series: Series | null | undefined,
  expected: readonly Candle[],
  adjustment: Adjustment,
): void {
  assert.ok(series)
  const { nodes, columns } = series
  assert.deepEqual(
    nodes.map(({ time, closed }) => [time, closed]),
    expected.map(({ epoch }) => [iso(epoch), true]),
  )
  const exact =
    adjustment === 'SPLITS_AND_DIVIDENDS' ? (['close', 'volume'] as const) : ([...prices, 'volume'] as const)
  for (const name of exact) {
    assert.deepEqual(
      nodes.map((node) => node[name]),
      expected.map((candle) => candle[name]),
      `${adjustment} ${name}`,
    )
  }
  for (const name of prices) {
    for (const [i, node] of nodes.entries()) {
      assert.ok(Math.abs(node[name] / (expected[i]?.[name] ?? Number.NaN) - 1) < 1e-12, `${adjustment} ${name} ${i}`)
    }
  }
  for (const name of [...prices, 'volume'] as const)
    assert.deepEqual(
      columns[name],
      nodes.map((node) => node[name]),
    )
  assert.deepEqual([columns.time, nodes.map(({ epoch }) => epoch)], Array(2).fill(expected.map(({ epoch }) => epoch)))
}
