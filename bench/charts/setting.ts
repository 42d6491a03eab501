import { join } from 'node:path'
import { checkedOut } from '../support/baseline.ts'
import { type Memory, settledMemory } from '../support/inspector.ts'
import { root } from '../support/machine.ts'
import { isInstalled, runLoad, type Server, startChartPeer, startFinstage } from '../support/processes.ts'
import type { ChartLoad, Contestant, LoadFigures } from './load.ts'
import { type ChartSource, startChartSource } from './source.ts'

/** The commit before charts were kept in memory. */
export const commitBefore = '4bcb447'

export interface Pace {
  readonly rounds: number
  readonly roundMs: number
  readonly warmUpMs: number
  readonly symbols: number
  /** Charts never asked for, in a round. */
  readonly coldCharts: number
  /** Quotes at a fixed rate, in a round. */
  readonly quotes: number
  readonly isPatient: boolean
}

const thorough: Pace = {
  rounds: 9,
  roundMs: 2000,
  warmUpMs: 300,
  symbols: 1000,
  coldCharts: 20,
  quotes: 1000,
  isPatient: true,
}
const quick: Pace = {
  rounds: 1,
  roundMs: 1000,
  warmUpMs: 300,
  symbols: 200,
  coldCharts: 5,
  quotes: 500,
  isPatient: false,
}
const connections = 16
const prepareMs = 240_000
/** In a round, for all that is not measured. */
const betweenMs = 60_000

export type BuildName = 'this build' | 'before'

export interface Build {
  readonly name: BuildName
  readonly root: string
  readonly server: Server
  /** Idle but for a hot chart, and after each symbol was asked for, twice; garbage collected. */
  readonly idle: Memory
  readonly filled: Memory
}

/** All servers of a bench of charts: they run throughout, on one core, with their candles stored. */
export interface Setting {
  readonly pace: Pace
  readonly directory: string
  readonly source: ChartSource
  readonly now: Build
  readonly before: Build
  readonly bare: Server
  /** null: not installed. */
  readonly mercurius: Server | null
  readonly settings: Record<string, string>
}

/** Runs `work` with all servers up. */
export async function inSetting<T>(
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
  work: (setting: Setting) => Promise<T>,
): Promise<T> {
  const pace = isQuick ? quick : thorough
  progress(`charts: building commit ${commitBefore}`)
  const checkout = checkedOut(commitBefore, directory)
  const servers: Server[] = []
  const started = async (starting: Promise<Server>): Promise<Server> => {
    const server = await starting
    servers.push(server)
    return server
  }
  try {
    await using source = await startChartSource(pace.symbols)
    const { symbols, today } = source.market
    const settings = { MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: source.url, YAHOO_STREAM: 'off' }
    const build = async (name: BuildName, root: string): Promise<Build> => {
      progress(`charts: ${name} asks for ${symbols} charts for the first time`)
      const environment = { ...settings, DATA_DIR: join(directory, `charts-${name.replace(' ', '-')}`) }
      const server = await started(startFinstage(environment, { root, nodeArgs: ['--inspect=127.0.0.1:0'] }))
      const contestant: Contestant = { name, server, shape: 'columns', picks: 'zipf' }
      await run({ pace, source }, [{ ...contestant, picks: 'hot' }], 1)
      const idle = await settledMemory(server.inspector ?? '', server.pid)
      for (let times = 0; times < 2; times++) await run({ pace, source }, [contestant], 0)
      return { name, root, server, idle, filled: await settledMemory(server.inspector ?? '', server.pid) }
    }
    const now = await build('this build', root)
    const before = await build('before', checkout.root)
    const bare = await started(startChartPeer('node:http', symbols, today))
    const mercurius = isInstalled('Mercurius') ? await started(startChartPeer('Mercurius', symbols, today)) : null
    return await work({ pace, directory, source, now, before, bare, mercurius, settings })
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
    checkout.remove()
  }
}

/** Measures contestants in turns. With no rounds, each asks once for all that it may ask for. */
export async function run(
  { pace, source }: Pick<Setting, 'pace' | 'source'>,
  contestants: readonly Contestant[],
  rounds = pace.rounds,
): Promise<LoadFigures> {
  const { roundMs, warmUpMs, isPatient } = pace
  const durationMs = prepareMs + rounds * (contestants.length * (roundMs + warmUpMs) + betweenMs)
  const load: ChartLoad = {
    contestants: contestants.map(({ server, ...rest }) => ({
      ...rest,
      server: server && { url: server.url, pid: server.pid },
    })),
    market: source.market,
    rounds,
    roundMs,
    warmUpMs,
    connections,
    isPatient,
    durationMs,
  }
  return runLoad<ChartLoad, LoadFigures>('../charts/load.ts', load)
}
