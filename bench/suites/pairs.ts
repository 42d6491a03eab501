import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startTestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import type { BackfillFigures, BackfillOptions } from '../loads/backfill.ts'
import type { CandleFigures, CandleOptions } from '../loads/candles.ts'
import type { FanOutFigures, FanOutLoad } from '../loads/fan-out.ts'
import type { HttpFigures, HttpLoad } from '../loads/http.ts'
import { checkedOut } from '../support/baseline.ts'
import { quiet, root } from '../support/machine.ts'
import { runLoad, type Server, startFinstage } from '../support/processes.ts'
import { fixed, median, percentile, table, whole } from '../support/table.ts'
import { bareQuote, chartSymbols } from './candles.ts'
import { expected, query } from './http.ts'

/** The commit that this build is compared with. */
const commitBefore = '4bcb447'
const rounds = 9
const quickRounds = 1

interface Build {
  readonly name: 'before' | 'now'
  readonly root: string
}

/** Measures one build: microseconds by the name of what took them. */
type Work = (build: Build, directory: string) => Promise<Readonly<Record<string, number>>>

const quotes: Work = async (build, directory) => {
  const server = await start(build, directory, 1)
  try {
    const load = { url: server.url, serverPid: server.pid, query, expected, connections: 64 }
    const figures = await runLoad<HttpLoad, HttpFigures>('http.ts', {
      ...load,
      warmUpMs: 6000,
      durationMs: 3000,
    })
    return { 'CPU: a quote over HTTP, 64 connections': (1e6 * figures.cpu.server) / figures.requestsPerSecond }
  } finally {
    await server.stop()
  }
}

const deliveries =
  (updatesPerSecond: number): Work =>
  async (build, directory) => {
    const name = `CPU: a delivery over WebSocket, 1,000 clients, ${whole(updatesPerSecond)} updates a second`
    const server = await start(build, directory, updatesPerSecond)
    try {
      const timed = { stalled: 0, joinMs: 1000, settleMs: 2000, measureMs: 4000 }
      const figures = await runLoad<FanOutLoad, FanOutFigures>('fan-out.ts', {
        url: server.url,
        serverPid: server.pid,
        inspector: null,
        sharesId: false,
        symbols: ['AAPL'],
        ticksPerSecond: updatesPerSecond,
        connections: 1000,
        ...timed,
        durationMs: 60_000,
      })
      if (figures.missing > 0 || figures.lost > 0) throw new Error(`${build.name} has lost updates`)
      return { [name]: (1e6 * figures.cpu.server * figures.seconds) / figures.deliveries }
    } finally {
      await server.stop()
    }
  }

/** Both builds ask the same server in this process, which plays Yahoo. */
const charts: Work = async (build, directory) => {
  await using yahoo = await startTestYahoo()
  for (const symbol of chartSymbols) yahoo.setQuote(symbol, { ...bareQuote, symbol })
  const source = { MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahoo.url }
  // An empty store each time: a chart that is stored is no longer one that was never asked for.
  const data = mkdtempSync(`${directory}-charts-`)
  const server = await startFinstage({ DATA_DIR: data, ...source }, { root: build.root })
  try {
    const { coldMs, warmMs } = await runLoad<CandleOptions, CandleFigures>('candles.ts', {
      url: server.url,
      yahooUrl: yahoo.url,
      data,
      symbols: chartSymbols,
      warmRequests: 25,
      durationMs: 120_000,
    })
    return {
      'a chart of 1,000 days, never asked for, p50': 1000 * percentile(coldMs, 0.5),
      'a chart of 1,000 days, stored, p50': 1000 * percentile(warmMs, 0.5),
    }
  } finally {
    await server.stop()
    rmSync(data, { recursive: true })
  }
}

/** Each build runs its own code in a process without a server. */
const backfill: Work = async (build, directory) => {
  const data = mkdtempSync(`${directory}-backfill-`)
  try {
    const options: BackfillOptions = {
      part: 'backfill',
      directory: data,
      symbols: 200,
      candlesPerSymbol: 10_000,
      concurrency: 4,
      durationMs: 120_000,
    }
    const figures = await runLoad<BackfillOptions, BackfillFigures>('backfill.ts', options, null, build.root)
    return {
      'backfill of a candle, from source to store': 1e6 / figures.rowsPerSecond,
      'backfill of a candle that is stored': 1e6 / (figures.repeatRowsPerSecond ?? Number.NaN),
    }
  } finally {
    rmSync(data, { recursive: true })
  }
}

/** Quotes and live prices. */
export const measurePricePairs = inPairs([quotes, deliveries(48.8), deliveries(1000)])

export const measureCandlePairs = inPairs([charts, backfill])

type Measure = (directory: string, progress: (text: string) => void, isQuick: boolean) => Promise<string>

/** This build compared with the old commit: a new process for each measurement, in pairs of alternating order. */
function inPairs(works: readonly Work[]): Measure {
  return (directory, progress, isQuick) => compare(works, directory, progress, isQuick)
}

async function compare(
  works: readonly Work[],
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const before = checkedOut(commitBefore, directory)
  const builds: readonly Build[] = [
    { name: 'before', root: before.root },
    { name: 'now', root },
  ]
  const rows: string[][] = []
  try {
    for (const work of works) {
      const measured = new Map<string, { before: number[]; now: number[] }>()
      for (let round = 1; round <= (isQuick ? quickRounds : rounds); round++) {
        for (const build of round % 2 === 0 ? builds : builds.toReversed()) {
          await quiet()
          const figures = await work(build, join(directory, `pairs-${build.name}`))
          for (const [name, microseconds] of Object.entries(figures)) {
            const sides = measured.get(name) ?? { before: [], now: [] }
            sides[build.name].push(microseconds)
            measured.set(name, sides)
            progress(`pairs, round ${round}, ${build.name}: ${name}: ${fixed(microseconds, 2)} us`)
          }
        }
      }
      for (const [name, { before, now }] of measured) {
        const ratios = before.map((microseconds, round) => microseconds / (now[round] ?? Number.NaN))
        rows.push([
          name,
          fixed(median(before), 2),
          fixed(median(now), 2),
          fixed(median(ratios), 2),
          fixed(Math.min(...ratios), 2),
          fixed(Math.max(...ratios), 2),
        ])
      }
    }
  } finally {
    before.remove()
  }
  return [
    '## Beside the commit before',
    '',
    `Microseconds, of the server's CPU time where the row says CPU: commit ${commitBefore} and this build in turns, a new process for each measurement, every answer checked.`,
    `Before ÷ now in each of ${isQuick ? quickRounds : rounds} pairs: above 1 this build takes less.`,
    '',
    table(['work', 'before', 'now', 'before ÷ now, median', 'worst', 'best'], rows),
  ].join('\n')
}

const start = (build: Build, directory: string, ticksPerSecond: number): Promise<Server> =>
  startFinstage(
    { DATA_DIR: directory, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: String(ticksPerSecond) },
    { root: build.root },
  )
