import { join } from 'node:path'
import { startTestYahoo } from '../test/support/test-yahoo.ts'
import type { AnalysisFigures, AnalysisOptions } from './analysis-load.ts'
import { quiet } from './machine.ts'
import { runLoad, startFinstage } from './processes.ts'
import { fixed, median, table, whole } from './table.ts'

const symbolCount = 100
const delayMs = 50
const rounds = 3

/** Symbols never seen before: one job for all of them, and one after another. Yahoo is played by a server of this process. */
export async function measureAnalysis(directory: string, progress: (text: string) => void): Promise<string> {
  await using yahoo = await startTestYahoo()
  const symbols = Array.from({ length: symbolCount }, (_, i) => `B${i}`)
  const warmUp = symbols.map((symbol) => `W${symbol}`)
  for (const symbol of [...symbols, ...warmUp]) yahoo.setQuote(symbol, { ...instrument, symbol })
  yahoo.fault('chart', { delayMs })
  const measured = { job: [] as AnalysisFigures[], loop: [] as AnalysisFigures[] }
  for (let round = 1; round <= rounds; round++) {
    for (const part of ['loop', 'job'] as const) {
      const figures = await once(part, join(directory, `analysis-${part}-${round}`), { symbols, warmUp }, yahoo.url)
      progress(`analysis, round ${round}, ${part}: ${whole(figures.wholeMs)} ms`)
      measured[part].push(figures)
    }
  }
  const of = (part: keyof typeof measured, figure: keyof AnalysisFigures): number =>
    median(measured[part].map((figures) => figures[figure]))
  const row = (name: string, part: keyof typeof measured): string[] => [
    name,
    ...(['wholeMs', 'meanMs'] as const).flatMap((figure) => [
      whole(of(part, figure)),
      fixed(100 * (1 - of(part, figure) / of('loop', figure)), 1),
    ]),
  ]
  return [
    `## Analysis of ${symbolCount} symbols`,
    '',
    `Never seen before; each chart takes ${delayMs} ms. Medians of ${rounds} rounds in turns, on any core, each with an empty store.`,
    '',
    table(
      ['', 'all done after ms', '% less', 'a symbol, in the mean, ms', '% less'],
      [row('one job of Finstage', 'job'), row('one symbol after another', 'loop')],
    ),
  ].join('\n')
}

async function once(
  part: AnalysisOptions['part'],
  data: string,
  symbols: Pick<AnalysisOptions, 'symbols' | 'warmUp'>,
  yahooUrl: string,
): Promise<AnalysisFigures> {
  const options = { part, data, ...symbols, yahooUrl, durationMs: 60_000 }
  const run = async (url: string): Promise<AnalysisFigures> => {
    await quiet()
    return runLoad<AnalysisOptions, AnalysisFigures>('analysis-load.ts', { ...options, url }, null)
  }
  if (part === 'loop') return run('')
  const environment = { DATA_DIR: data, MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahooUrl }
  const server = await startFinstage(environment, { core: null })
  try {
    return await run(server.url)
  } finally {
    await server.stop()
  }
}

const instrument = {
  ...{ quoteType: 'EQUITY', currency: 'USD', exchange: 'NMS', exchangeTimezoneName: 'America/New_York' },
  ...{ priceHint: 2, marketState: 'REGULAR', regularMarketPrice: 100 },
}
