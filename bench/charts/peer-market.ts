import {
  type Chart,
  chartLength,
  type FiveIndicators,
  fiveIndicators,
  history,
  moveOpen,
  newest,
  symbolAt,
} from './market.ts'

export interface PeerChart {
  readonly symbol: string
  readonly columns: Chart & FiveIndicators
  readonly previousClose: number
}

const moveMs = 1000

/**
 * What the peers serve, ready in memory: arrays of 1,000 candles and of their indicators, by symbol. Open candles move
 * once a second; their indicators stay, which spares the peers that work.
 */
export function peerCharts(symbols: number, today: number): ReadonlyMap<string, PeerChart> {
  const charts = Array.from({ length: symbols }, (_, index): [string, PeerChart] => {
    const whole = history(index, today)
    const columns = { ...newest(whole, chartLength), ...fiveIndicators(whole) }
    return [symbolAt(index), { symbol: symbolAt(index), columns, previousClose: whole.close.at(-2) ?? Number.NaN }]
  })
  const move = (): void => {
    for (const [index, [, { columns }]] of charts.entries()) moveOpen(columns, index, Date.now())
  }
  move()
  setInterval(move, moveMs)
  return new Map(charts)
}

export interface PeerQuote {
  readonly price: number
  readonly changePercent: number
}

export function quoteOf({ columns, previousClose }: PeerChart): PeerQuote {
  const price = columns.close.at(-1) ?? Number.NaN
  return { price, changePercent: (100 * (price - previousClose)) / previousClose }
}

/** The newest `last` of each candle column. */
export const cutColumns = ({ columns }: PeerChart, last: number): Chart =>
  last < chartLength ? newest(columns, last) : columns
