import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeOn, root as ownRoot } from './machine.ts'

const startTimeoutMs = 60_000
const stopTimeoutMs = 25_000
/** Added to the time that a load client says it needs. */
const loadSlackMs = 40_000

export interface Server {
  /** Address of GraphQL. */
  readonly url: string
  /** Address of the metrics; null: the server has none, or does not print it. */
  readonly metrics: string | null
  readonly pid: number
  /** Address of the inspector; null: not started with --inspect. */
  readonly inspector: string | null
  /** Why it ended; null: it runs. */
  readonly death: () => string | null
  stop(): Promise<void>
  /** Ends it at once with SIGKILL. */
  kill(): Promise<void>
}

export type ServerName = 'Finstage' | 'stock Yoga' | 'Mercurius' | 'node:http' | 'ws.send' | 'ws, batches of frames'

/** null: any core. */
export type Core = 0 | 1 | null

const children = new Set<ChildProcess>()
let stopping = false

const peers = join(import.meta.dirname, '../peers')

/** Servers of the same prices and quotes from memory: the file, and its arguments after the ticks a second. */
const references: Record<Exclude<ServerName, 'Finstage'>, [file: string, ...args: string[]]> = {
  'stock Yoga': ['stock-yoga.ts'],
  Mercurius: ['../peers/mercurius.mjs'],
  'node:http': ['raw-http.ts'],
  'ws.send': ['raw-ws.ts', 'send'],
  'ws, batches of frames': ['raw-ws.ts', 'batch'],
}

/** Mercurius needs another version of graphql than Finstage, and so a folder of its own. */
export const isInstalled = (name: ServerName): boolean =>
  name !== 'Mercurius' || existsSync(join(peers, 'node_modules', 'mercurius'))

/**
 * `ticksPerSecond`: for each watched symbol. `directory`: where Finstage's embedded Postgres keeps its data from one
 * start to the next. `environment`: settings of Finstage. `root`: where its sources are.
 */
export function startServer(
  name: ServerName,
  ticksPerSecond: number,
  directory: string,
  environment: Record<string, string> = {},
  nodeArgs: readonly string[] = [],
  root = ownRoot,
): Promise<Server> {
  if (name !== 'Finstage') {
    const [file, ...args] = references[name]
    return start(name, [...nodeArgs, join(import.meta.dirname, file), String(ticksPerSecond), ...args], {})
  }
  const settings = { MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: String(ticksPerSecond) }
  return startFinstage({ DATA_DIR: directory, ...settings, ...environment }, { nodeArgs, root })
}

/** The options that npm start gives to Node. */
function startOptions(root: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } }
  return scripts.start.split(' ').filter((word) => word.startsWith('--'))
}

let profiles: string | undefined

/** From now on each Finstage writes a .cpuprofile there when it is stopped. */
export function keepProfiles(directory: string): void {
  profiles = directory
}

const profiling = (): string[] => (profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`])

/** Runs on the core of servers unless told otherwise. */
export async function startFinstage(
  environment: Record<string, string>,
  {
    role = 'all',
    core = 0,
    nodeArgs = [],
    root = ownRoot,
  }: { role?: 'all' | 'api'; core?: Core; nodeArgs?: readonly string[]; root?: string } = {},
): Promise<Server> {
  const settings = { PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'warn', ...environment }
  const args = [...startOptions(root), ...nodeArgs, ...profiling(), 'src/main.ts', role]
  if (role === 'all') return start('Finstage', args, settings, { core, root })
  // Only the role `all` prints its address; the others log it at level info.
  const logged = { ...settings, LOG_LEVEL: 'info' }
  const server = await start('Finstage', args, logged, { core, root, address: /(?<="api":")[^"]+/ })
  return { ...server, url: `${server.url}/graphql` }
}

const chartPeers = { Mercurius: '../peers/mercurius-charts.mjs', 'node:http': '../charts/bare.ts' }

/** Starts a server of charts of a made-up market: of so many symbols, up to that date. */
export const startChartPeer = (name: keyof typeof chartPeers, symbols: number, today: number): Promise<Server> =>
  start(name, [join(import.meta.dirname, chartPeers[name]), String(symbols), String(today)], {})

/** Starts a Postgres alone, on any core; its `url` is the connection string. */
export const startPostgres = (directory: string): Promise<Server> =>
  start(
    'Postgres',
    [join(import.meta.dirname, 'postgres.ts'), directory],
    {},
    { core: null, address: /^postgresql:.*$/m },
  )

/** Rejects with what the server wrote if it ends, or prints no address within a minute. */
async function start(
  name: ServerName | 'Postgres',
  args: string[],
  environment: Record<string, string>,
  {
    core = 0,
    address = /http:\/\/\S+\/graphql/,
    root = ownRoot,
  }: { core?: Core; address?: RegExp; root?: string } = {},
): Promise<Server> {
  const child = launch(core, args, environment, root)
  let output = ''
  const url = new Promise<string>((resolve) => {
    const read = (chunk: Buffer): void => {
      output += chunk
      const [found] = address.exec(output) ?? []
      if (found) resolve(found)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
  })
  const failed = exitOf(child).then((code) => Promise.reject(new Error(`${name} ended (${code}):\n${output}`)))
  failed.catch(() => {})
  const late = sleep(startTimeoutMs, undefined, { ref: false }).then(() => {
    throw new Error(`${name} has not started within ${startTimeoutMs / 1000} s:\n${output}`)
  })
  return {
    url: await Promise.race([url, failed, late]),
    pid: child.pid ?? 0,
    metrics: /http:\/\/\S+\/metrics/.exec(output)?.[0] ?? null,
    inspector: /ws:\/\/\S+/.exec(output)?.[0] ?? null,
    death: () =>
      isRunning(child)
        ? null
        : (/^\w*Error\b.*$/m.exec(output)?.[0] ?? `ended with ${child.exitCode ?? child.signalCode}`),
    stop: () => stopChild(child),
    kill: async () => {
      if (!isRunning(child)) return
      const exited = exitOf(child)
      child.kill('SIGKILL')
      await exited
    },
  }
}

/**
 * Runs a load client to its end: options in as JSON, figures out as JSON. Rejects if it reports an error. `asServer`:
 * with the options of npm start, since it measures what servers do.
 */
export async function runLoad<Options extends { readonly durationMs: number }, Figures>(
  file: string,
  options: Options,
  core: Core = 1,
  root = ownRoot,
  { asServer = false } = {},
): Promise<Figures> {
  const args = [...(asServer ? startOptions(root) : []), join(root, 'bench/loads', file), JSON.stringify(options)]
  const child = launch(core, args, {}, root)
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (errors += chunk))
  const deadline = setTimeout(() => child.kill('SIGKILL'), options.durationMs + loadSlackMs)
  const code = await exitOf(child)
  clearTimeout(deadline)
  if (code !== 0) throw new Error(`${file} failed (${code}): ${errors.trim()}`)
  return JSON.parse(output) as Figures
}

function launch(core: Core, args: string[], environment: Record<string, string>, root = ownRoot): ChildProcess {
  if (stopping) throw new Error('stopping')
  const [command, commandArgs] = nodeOn(core, args)
  const child = spawn(command, commandArgs, {
    cwd: root,
    // Nothing else is passed on: the bench must not put load on a database in the user's DATABASE_URL.
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  void exitOf(child).then(() => children.delete(child))
  return child
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/** Resolves once all its output has been read too. */
async function exitOf(child: ChildProcess): Promise<number | string> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    return code ?? signal ?? 'unknown'
  } catch (error) {
    return String(error)
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return
  const exited = exitOf(child)
  child.kill('SIGTERM')
  const deadline = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await exited
  clearTimeout(deadline)
}

/** Ends everything that was started. Nothing can be started afterwards. */
export async function stopAll(): Promise<void> {
  stopping = true
  await Promise.all([...children].map(stopChild))
}
