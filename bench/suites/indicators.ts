import { join } from 'node:path'
import type { IndicatorFigures, IndicatorOptions } from '../loads/indicators.ts'
import { quiet } from '../support/machine.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, percentile, table } from '../support/table.ts'

/** A chart of 1,000 stored days, with and without five indicators, compared with the library called in memory. */
export async function measureIndicators(directory: string, progress: (text: string) => void): Promise<string> {
  const data = join(directory, 'indicators')
  const server = await startServer('Finstage', 1, data)
  try {
    progress('indicators: a chart with and without them')
    await quiet()
    const options: IndicatorOptions = { url: server.url, symbol: 'AAPL', rounds: 200, durationMs: 60_000 }
    return report(await runLoad<IndicatorOptions, IndicatorFigures>('indicators.ts', options))
  } finally {
    await server.stop()
  }
}

function report({ plainMs, chartMs, libraryMs, plainBytes, chartBytes }: IndicatorFigures): string {
  const library = percentile(libraryMs, 0.5)
  const line = (name: string, values: readonly number[], kilobytes: string): string[] => [
    name,
    fixed(percentile(values, 0.5), 2),
    fixed(percentile(values, 0.99), 2),
    fixed(percentile(values, 0.5) / library, 2),
    kilobytes,
  ]
  const added = percentile(chartMs, 0.5) - percentile(plainMs, 0.5)
  return [
    table(
      ['1,000 days, stored', 'p50 ms', 'p99 ms', '÷ library', 'kB of answer'],
      [
        line('candles alone', plainMs, fixed(plainBytes / 1000, 0)),
        line('with SMA, EMA, RSI, MACD and Bollinger bands', chartMs, fixed(chartBytes / 1000, 0)),
        line('technicalindicators, the same five, called in memory', libraryMs, ''),
      ],
    ),
    `\nThe five indicators add ${fixed(added, 2)} ms, ${fixed(added / library, 2)} of the library alone: warm-up, points as JSON and the way through GraphQL are in it.`,
  ].join('\n')
}
