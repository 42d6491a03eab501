import { join } from 'node:path'
import { startTestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import type { CandleFigures, CandleOptions } from '../loads/candles.ts'
import { quiet } from '../support/machine.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, percentile, table } from '../support/table.ts'

/** Symbols of charts that nobody has asked for yet. */
export const chartSymbols: readonly string[] = Array.from({ length: 60 }, (_, i) => `B${i}`)
const warmRequests = 25

/** A chart of 1,000 days, asked for the first time and again. A server in this process plays Yahoo. */
export async function measureCandles(directory: string, progress: (text: string) => void): Promise<string> {
  await using yahoo = await startTestYahoo()
  for (const symbol of chartSymbols) yahoo.setQuote(symbol, { ...bareQuote, symbol })
  const data = join(directory, 'candles')
  const server = await startServer('Finstage', 1, data, { MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahoo.url })
  try {
    progress('candles: first and repeated requests')
    await quiet()
    const options: CandleOptions = {
      url: server.url,
      yahooUrl: yahoo.url,
      data,
      symbols: chartSymbols,
      warmRequests,
      durationMs: 120_000,
    }
    const figures = await runLoad<CandleOptions, CandleFigures>('candles.ts', options)
    const calls = yahoo.requestsTo('chart').length - figures.bareFetches
    if (calls !== chartSymbols.length)
      throw new Error(`${calls} upstream calls for ${chartSymbols.length} first requests`)
    return report(figures)
  } finally {
    await server.stop()
  }
}

/** What the server that plays Yahoo says of each of them. */
export const bareQuote = {
  quoteType: 'EQUITY',
  currency: 'USD',
  exchange: 'NMS',
  exchangeTimezoneName: 'America/New_York',
  priceHint: 2,
  marketState: 'REGULAR',
  regularMarketPrice: 100,
}

function report({ coldMs, bareFetchMs, warmMs, bareSelectMs }: CandleFigures): string {
  const line = (name: string, values: readonly number[], baseline: readonly number[]): string[] => [
    name,
    fixed(percentile(values, 0.5), 2),
    fixed(percentile(values, 0.99), 2),
    fixed(percentile(values, 0.5) / percentile(baseline, 0.5), 2),
  ]
  return [
    table(
      ['candles(last: 1000) of days', 'p50 ms', 'p99 ms', '÷ baseline'],
      [
        line('cold: never asked for', coldMs, bareFetchMs),
        line("baseline: the same fetch of Yahoo's chart, parsed", bareFetchMs, bareFetchMs),
        line('warm: stored', warmMs, bareSelectMs),
        line('baseline: a bare SELECT of the rows, as JSON', bareSelectMs, bareSelectMs),
      ],
    ),
    `\nUpstream calls: ${chartSymbols.length} for ${chartSymbols.length} cold requests, 0 for ${warmMs.length} warm ones.`,
  ].join('\n')
}
