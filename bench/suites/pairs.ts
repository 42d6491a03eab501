import { join } from 'node:path'
import type { FanOutFigures, FanOutLoad } from '../loads/fan-out.ts'
import type { HttpFigures, HttpLoad } from '../loads/http.ts'
import { checkedOut } from '../support/baseline.ts'
import { quiet, root } from '../support/machine.ts'
import { runLoad, type Server, startFinstage } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'
import { expected, query } from './http.ts'

/** The commit that this build is compared with. */
const commitBefore = 'f7bb428'
const rounds = 9
const quickRounds = 1

interface Build {
  readonly name: 'before' | 'now'
  readonly root: string
}

/** Microseconds of the server's CPU time per unit of work, in pairs that were measured one after the other. */
interface Work {
  readonly name: string
  measure(build: Build, directory: string): Promise<number>
}

const quotes: Work = {
  name: 'a quote over HTTP, 64 connections',
  async measure(build, directory) {
    const server = await start(build, directory, 1)
    try {
      const load = { url: server.url, serverPid: server.pid, query, expected, connections: 64 }
      const figures = await runLoad<HttpLoad, HttpFigures>('http.ts', {
        ...load,
        warmUpMs: 6000,
        durationMs: 3000,
      })
      return (1e6 * figures.cpu.server) / figures.requestsPerSecond
    } finally {
      await server.stop()
    }
  },
}

const deliveries = (updatesPerSecond: number): Work => ({
  name: `a delivery over WebSocket, 1,000 clients, ${whole(updatesPerSecond)} updates a second`,
  async measure(build, directory) {
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
      return (1e6 * figures.cpu.server * figures.seconds) / figures.deliveries
    } finally {
      await server.stop()
    }
  },
})

const works: readonly Work[] = [quotes, deliveries(48.8), deliveries(1000)]

/** This build compared with the old commit: a new server for each measurement, in pairs of alternating order. */
export async function measurePairs(
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
      const pairs: { before: number; now: number }[] = []
      for (let round = 1; round <= (isQuick ? quickRounds : rounds); round++) {
        const pair = { before: Number.NaN, now: Number.NaN }
        for (const build of round % 2 === 0 ? builds : builds.toReversed()) {
          await quiet()
          pair[build.name] = await work.measure(build, join(directory, `pairs-${build.name}`))
        }
        pairs.push(pair)
        progress(`pairs, round ${round}, ${work.name}: ${fixed(pair.before, 2)} and ${fixed(pair.now, 2)} us`)
      }
      const ratios = pairs.map(({ before, now }) => before / now)
      rows.push([
        work.name,
        fixed(median(pairs.map(({ before }) => before)), 2),
        fixed(median(pairs.map(({ now }) => now)), 2),
        fixed(median(ratios), 2),
        fixed(Math.min(...ratios), 2),
        fixed(Math.max(...ratios), 2),
      ])
    }
  } finally {
    before.remove()
  }
  return [
    '## Beside the commit before',
    '',
    `Microseconds of the server's CPU time: commit ${commitBefore} and this build in turns, a new server for each measurement, every answer checked.`,
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
