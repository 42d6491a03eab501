import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { EmbeddedPostgres } from '../../../src/platform/embedded-postgres/server.ts'

export interface OwnPostgres extends AsyncDisposable {
  /** Creates a migrated database and returns its address; with `role`, for a new role of that name that is no superuser. */
  createDatabase(role?: string): Promise<string>
  /** As the superuser, in the database `postgres`. */
  query(sql: string): Promise<void>
  /** The address of its database `postgres`, for its superuser. */
  readonly admin: string
  /** A fast shutdown and a start. */
  restart(): Promise<void>
  /** A fast shutdown, until `start`. */
  stop(): Promise<void>
  start(): Promise<void>
  /** kill -9 of the postmaster, which its children follow, and a start. */
  killAndStart(): Promise<void>
  /** Stops all its processes with SIGSTOP. Returns a function that lets them go on. */
  pause(): () => void
}

/** A Postgres of the test's own, to break as it likes. Its data is in a new directory, or in the given one. */
export async function startOwnPostgres(
  directory: string = mkdtempSync(join(tmpdir(), 'finstage-own-postgres-')),
): Promise<OwnPostgres> {
  copyPostgres(directory)
  let onExit = (): void => {}
  const postgres = new EmbeddedPostgres(directory, () => onExit())
  await postgres.start()
  let databases = 0
  const resumes: (() => void)[] = []
  const resume = (): void => {
    for (const each of resumes.splice(0)) each()
  }
  const admin = postgres.connectionString.replace('/finstage?', '/postgres?')
  const query = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: admin })
    await client.connect()
    for (const statement of sql.split('; ')) await client.query(statement)
    await client.end()
  }
  return {
    admin,
    stop: () => postgres.stop(),
    start: () => postgres.start(),
    query,
    async createDatabase(role) {
      const name = `queue_${++databases}`
      await query(`CREATE DATABASE ${name} TEMPLATE finstage`)
      const url = postgres.connectionString.replace('/finstage?', `/${name}?`)
      if (role === undefined) return url
      await query(`CREATE ROLE ${role} LOGIN; GRANT postgres TO ${role}; ALTER DATABASE ${name} OWNER TO ${role}`)
      return url.replace('//postgres@', `//${role}@`)
    },
    async restart() {
      await postgres.stop()
      await postgres.start()
    },
    async killAndStart() {
      const pid = postmasterOf(directory)
      const children = childrenOf(pid)
      const noticed = new Promise<void>((resolve) => {
        onExit = resolve
      })
      process.kill(pid, 'SIGKILL')
      await noticed
      while ([pid, ...children].some(isRunning)) await sleep(20)
      await postgres.start()
    },
    pause() {
      resumes.push(pausePostgres(directory))
      return resume
    },
    [Symbol.asyncDispose]: async () => {
      resume()
      await postgres.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Copies the data of a Postgres with a migrated database into a data directory, which saves initdb. */
export function copyPostgres(directory: string): void {
  const template = process.env.FINSTAGE_TEST_POSTGRES
  if (!template) throw new Error('run the tests with npm test: it makes the data that they start from')
  mkdirSync(directory, { recursive: true })
  execFileSync('cp', ['-a', template, join(directory, 'postgres')])
}

const postmasterOf = (directory: string): number =>
  Number(readFileSync(join(directory, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])

/** Stops all processes of the embedded Postgres in a directory. Returns a function that lets those go on that are left. */
export function pausePostgres(directory: string): () => void {
  const pid = postmasterOf(directory)
  // A stopped parent starts no more children.
  process.kill(pid, 'SIGSTOP')
  const pids = [pid, ...childrenOf(pid)]
  for (const each of pids) process.kill(each, 'SIGSTOP')
  return () => {
    for (const each of pids) if (isRunning(each)) process.kill(each, 'SIGCONT')
  }
}

/** State and parent of a process; null where there is none. */
function statOf(pid: number | string): { state: string; parent: number } | null {
  try {
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return null
  }
}

const isRunning = (pid: number): boolean => !['Z', 'X', undefined].includes(statOf(pid)?.state)

const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(name)?.parent === pid)
    .map(Number)
