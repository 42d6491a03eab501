import { join } from 'node:path'
import { startTestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import type { ResponsiveFigures, ResponsiveOptions } from '../loads/responsive.ts'
import { quiet } from '../support/machine.ts'
import { type Core, runLoad, startFinstage } from '../support/processes.ts'
import { fixed, mean, percentile, table, whole } from '../support/table.ts'

const symbolsOfJob = 500
const ratePerSecond = 250
const samples = 2000
const coldJobs = 8

/** How soon a server answers while it runs jobs itself. A server in this process plays Yahoo. */
export async function measureResponsive(directory: string, progress: (text: string) => void): Promise<string> {
  await using yahoo = await startTestYahoo()
  const jobs = Array.from({ length: coldJobs }, (_, job) =>
    Array.from({ length: symbolsOfJob }, (_, i) => `B${job * symbolsOfJob + i}`),
  )
  for (const symbol of jobs.flat()) yahoo.setQuote(symbol, { ...instrument, symbol })
  // While the market is closed a quote stays cached for a minute, so the figures are of this server, not of Yahoo.
  yahoo.setQuote('AAPL', { marketState: 'CLOSED' })
  const rows: string[][] = []
  for (const core of [0, null] as const) {
    const environment = {
      DATA_DIR: join(directory, `responsive-${core}`),
      MARKET_SOURCE: 'yahoo',
      YAHOO_BASE_URL: yahoo.url,
    }
    const server = await startFinstage(environment, { core })
    try {
      const idle = await once(server.url, [])
      const cold = await once(server.url, jobs)
      const warmed = await once(server.url, jobs.slice(0, 1), true)
      for (const [name, figures] of [
        ['idle', idle],
        ['first analysis of symbols', cold],
        ['analysis of stored candles', warmed],
      ] as const) {
        const row = rowOf(core, name, figures, idle)
        rows.push(row)
        progress(`responsive: ${row.join(', ')}`)
      }
    } finally {
      await server.stop()
    }
  }
  return [
    '## Answers while jobs run in the same process',
    '',
    `\`quote\` by POST, ${ratePerSecond} a second by the clock, while jobs of ${symbolsOfJob} symbols run one after another.`,
    '',
    table(['server', 'p50 ms', 'p99 ms', 'most ms', 'p99 ÷ idle', 'quotes', 'ms a job'], rows),
  ].join('\n')
}

async function once(url: string, jobs: readonly (readonly string[])[], repeated = false): Promise<ResponsiveFigures> {
  await quiet()
  const options = { url, jobs, repeated, ratePerSecond, samples, durationMs: 90_000 }
  return runLoad<ResponsiveOptions, ResponsiveFigures>('responsive.ts', options)
}

function rowOf(core: Core, name: string, figures: ResponsiveFigures, idle: ResponsiveFigures): string[] {
  const { latenciesMs, jobsMs } = figures
  return [
    `${name}, ${core === null ? 'on any core' : 'on one core'}`,
    fixed(percentile(latenciesMs, 0.5), 1),
    fixed(percentile(latenciesMs, 0.99), 1),
    fixed(Math.max(...latenciesMs), 1),
    fixed(percentile(latenciesMs, 0.99) / percentile(idle.latenciesMs, 0.99), 2),
    whole(latenciesMs.length),
    jobsMs.length > 0 ? whole(mean(jobsMs)) : '',
  ]
}

const instrument = {
  quoteType: 'EQUITY',
  currency: 'USD',
  exchange: 'NMS',
  exchangeTimezoneName: 'America/New_York',
  priceHint: 2,
  marketState: 'REGULAR',
  regularMarketPrice: 100,
}
