import type { Candle, CandleSeries } from '../../domain/candle.ts'
import { type CandleList, listOf } from '../../domain/candle-list.ts'

type Nodes = Pick<CandleSeries, 'nodes' | 'lists'>

/** The nodes of a series, to be read by column. Reading `nodes` would make an object of each. */
export const nodeList = (series: Nodes): CandleList<Candle> => series.lists?.nodes ?? listOf(series.nodes)

/** Looks from the end, where the open ones are: closed candles need not become objects. */
export function closedCount(nodes: CandleList<Candle>): number {
  let count = nodes.length
  while (count > 0 && !nodes.slice(count - 1, count).candles[0]?.closed) count--
  return count
}

export function closedNodes(series: Nodes): CandleList<Candle> {
  const nodes = nodeList(series)
  return nodes.slice(0, closedCount(nodes))
}
