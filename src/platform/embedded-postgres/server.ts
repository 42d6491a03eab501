import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, constants, type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { minuteMs } from '../../domain/time/units.ts'
import { type Account, postgresAccount } from './account.ts'
import { type PostgresBinaries, postgresBinaries } from './binaries.ts'

const startTimeoutMs = minuteMs
const stopTimeoutMs = 10_000
/**
 * After this time a fast shutdown becomes an immediate one, which costs the next start a recovery; then the process is
 * killed.
 */
const fastStopMs = 4000
const immediateStopMs = 1000
const databaseName = 'finstage'

/**
 * A Postgres of our own, for users without one: real binaries from npm, data in a directory, reachable by a Unix socket
 * only.
 *
 * States: stopped -> start() -> running -> stop() -> stopped. `onExit` is called if it ends without stop().
 *
 * The server's working directory is its data directory, given as `-D /proc/self/cwd`. So it needs no right to traverse
 * the path above, which it lacks if that leads through /root. setpriv (util-linux) changes the user, and asks the
 * kernel to send SIGINT, Postgres' fast shutdown, when this process dies, even by kill -9.
 */
export class EmbeddedPostgres {
  readonly #data: string
  readonly #socketDirectory: string
  readonly #onExit: (message: string) => void
  #server: ChildProcess | undefined

  constructor(dataDirectory: string, onExit: (message: string) => void) {
    this.#data = join(resolve(dataDirectory), 'postgres')
    const hash = createHash('sha256').update(this.#data).digest('hex').slice(0, 16)
    this.#socketDirectory = join('/tmp', `finstage-${hash}`)
    this.#onExit = onExit
  }

  /** Works for any client on this machine that may read the socket: root and the user who started us. */
  get connectionString(): string {
    return `postgresql://postgres@/${databaseName}?host=${encodeURIComponent(this.#socketDirectory)}`
  }

  /**
   * Throws if the binaries are missing, if another process uses the data, or if Postgres does not answer within 60 s.
   */
  async start(): Promise<void> {
    if (this.#server) return
    const account = postgresAccount(this.#data)
    const binaries = await postgresBinaries(account !== null)
    await this.#waitForPredecessor()
    await this.#prepareSocketDirectory(account)
    if (!existsSync(join(this.#data, 'PG_VERSION'))) await this.#initialise(binaries, account)
    await this.#launch(binaries, account)
    await this.#createDatabase()
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGINT')
    const deadlines = [
      setTimeout(() => server.kill('SIGQUIT'), fastStopMs),
      // A process stopped by SIGSTOP ignores every other signal.
      setTimeout(() => server.kill('SIGKILL'), fastStopMs + immediateStopMs),
    ]
    await exited
    for (const deadline of deadlines) clearTimeout(deadline)
    await rm(this.#socketDirectory, { recursive: true, force: true })
  }

  /**
   * If we were killed by kill -9, the Postgres of that process is still shutting down; another live process keeps its
   * own.
   */
  async #waitForPredecessor(): Promise<void> {
    const deadline = performance.now() + stopTimeoutMs
    for (;;) {
      const pid = this.#runningServer()
      if (pid === null) return
      if (performance.now() > deadline) {
        throw new Error(
          `${this.#data} is in use by a running Postgres (pid ${pid}): is Finstage running there already?`,
        )
      }
      await sleep(50)
    }
  }

  #runningServer(): number | null {
    try {
      const pid = Number(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')[0])
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres') ? pid : null
    } catch {
      return null
    }
  }

  async #prepareSocketDirectory(account: Account | null): Promise<void> {
    await mkdir(this.#socketDirectory, { recursive: true, mode: 0o700 })
    const found = await lstat(this.#socketDirectory)
    const uid = process.getuid?.() ?? 0
    if (!found.isDirectory() || (found.uid !== uid && found.uid !== account?.uid)) {
      throw new Error(`${this.#socketDirectory} belongs to somebody else: remove it`)
    }
    await chmod(this.#socketDirectory, 0o700)
    if (account) await chown(this.#socketDirectory, account.uid, account.gid)
  }

  /**
   * Initialises a directory beside the final one, then renames it: an aborted start leaves nothing that looks finished.
   */
  async #initialise(binaries: PostgresBinaries, account: Account | null): Promise<void> {
    const unfinished = `${this.#data}.new`
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished, { recursive: true, mode: 0o700 })
    if (account) await chown(unfinished, account.uid, account.gid)
    const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale-provider=builtin']
    const initdb = this.#spawn(binaries.initdb, [...options, '--locale=C.UTF-8'], unfinished, account, 'pipe')
    let output = ''
    initdb.stdout?.on('data', (chunk) => (output += chunk))
    initdb.stderr?.on('data', (chunk) => (output += chunk))
    const [code] = await ended(initdb)
    if (code !== 0) throw new Error(`initdb failed (exit ${code}): ${output.trim()}`)
    await rename(unfinished, this.#data)
  }

  async #launch(binaries: PostgresBinaries, account: Account | null): Promise<void> {
    const log = await openLog(`${this.#data}.log`)
    const settings = ['listen_addresses=', `unix_socket_directories=${this.#socketDirectory}`, 'max_connections=200']
    const options = settings.flatMap((setting) => ['-c', setting])
    const server = this.#spawn(binaries.postgres, options, this.#data, account, log.fd)
    await log.close()
    this.#server = server
    server.on('exit', (code, signal) => {
      if (this.#server !== server) return
      this.#server = undefined
      this.#onExit(`The embedded Postgres has ended (${signal ?? `exit ${code}`}): see ${this.#data}.log`)
    })
    server.on('error', () => {})
    const deadline = performance.now() + startTimeoutMs
    while (!(await this.#answers())) {
      if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) {
        this.#server = undefined
        throw new Error(`Postgres did not start:\n${readFileSync(`${this.#data}.log`, 'utf8').trim()}`)
      }
      if (performance.now() > deadline) {
        await this.stop()
        throw new Error(`Postgres did not answer within ${startTimeoutMs / 1000} s: see ${this.#data}.log`)
      }
      await sleep(20)
    }
  }

  async #answers(): Promise<boolean> {
    const client = this.#adminClient()
    try {
      await client.connect()
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }

  async #createDatabase(): Promise<void> {
    const client = this.#adminClient()
    await client.connect()
    try {
      const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [databaseName])
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`)
    } finally {
      await client.end()
    }
  }

  #adminClient(): pg.Client {
    const client = new pg.Client({ host: this.#socketDirectory, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    return client
  }

  #spawn(
    program: string,
    options: string[],
    directory: string,
    account: Account | null,
    output: number | 'pipe',
  ): ChildProcess {
    const user = account ? [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'] : []
    return spawn('setpriv', [...user, '--pdeathsig=INT', '--', program, '-D', '/proc/self/cwd', ...options], {
      cwd: directory,
      // Its own process group: Ctrl-C in the terminal is for us to handle, and Postgres stops last.
      detached: true,
      stdio: ['ignore', output, output],
      env: { PATH: process.env.PATH ?? '', TZ: 'UTC', LC_ALL: 'C' },
    })
  }
}

/**
 * Opens the log and empties it. Whoever may write to the directory, including Postgres' own user, must not be able to
 * make us empty another file: it must be a plain file with a single name, and no link.
 */
async function openLog(path: string): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  const refused = (cause?: unknown): Error =>
    new Error(`${path} has to be a plain file, not a link or anything else: remove it`, { cause })
  const log = await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    throw ['ELOOP', 'EISDIR', 'ENXIO'].includes(error.code ?? '') ? refused(error) : error
  })
  const found = await log.stat()
  if (found.isFile() && found.nlink === 1) {
    await log.truncate()
    return log
  }
  await log.close()
  throw refused()
}

async function ended(child: ChildProcess): Promise<[number | null]> {
  return (await once(child, 'exit').catch((cause: NodeJS.ErrnoException) => {
    const hint = cause.code === 'ENOENT' ? ' (setpriv, of the package util-linux, is needed)' : ''
    throw new Error(`Postgres could not be started${hint}: set DATABASE_URL to a Postgres of yours`, { cause })
  })) as [number | null]
}
