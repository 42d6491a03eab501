import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../platform/logger.ts'

const retryMs = 500

/**
 * Elects one leader among processes: whoever holds a Postgres session advisory lock. The lock is gone with its session, so
 * another takes over within a second of the leader's death.
 *
 * Its states: stopped -> start() -> standing by <-> leading -> stop() -> stopped.
 */
export class Leader {
  readonly #options: {
    connectionString: string
    lockKey: number
    log: Logger
    lead: (run: string) => void
    yield: () => Promise<void>
  }
  #session: pg.Client | undefined
  #connected = false
  #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: {
    connectionString: string
    lockKey: number
    log: Logger
    /** Called when this process becomes the leader, with a name for its term: a later term's name is greater. */
    lead: (run: string) => void
    /** Called when it is no longer. */
    yield: () => Promise<void>
  }) {
    this.#options = options
  }

  get leading(): boolean {
    return this.#session !== undefined
  }

  /** Rejects where this process neither leads nor stands by. */
  async check(): Promise<void> {
    if (!this.#connected) throw new Error('not connected')
  }

  start(): void {
    if (this.#running) return
    this.#stopping = new AbortController()
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#running = undefined
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#stand(signal)
      } catch (error) {
        if (!signal.aborted) this.#options.log.warn({ err: error }, 'lost the connection that holds or awaits the lead')
      }
      await sleep(retryMs, undefined, { signal }).catch(() => {})
    }
  }

  /** Stands by until the lock is free, then leads until the session ends or the leader is stopped. */
  async #stand(signal: AbortSignal): Promise<void> {
    const { connectionString, lockKey } = this.#options
    const done = new AbortController()
    const session = new pg.Client({ connectionString, keepAlive: true, connectionTimeoutMillis: 10_000 })
    const ended = new Promise<void>((resolve) => {
      session.on('end', resolve)
      session.on('error', () => resolve())
      signal.addEventListener('abort', () => resolve(), { once: true, signal: done.signal })
    })
    try {
      await session.connect()
      this.#connected = true
      while (!signal.aborted && !(await tryLock(session, lockKey))) {
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
      if (signal.aborted) return
      const run = await nameOfTerm(session)
      this.#session = session
      this.#options.lead(run)
      await ended
    } finally {
      done.abort()
      this.#connected = false
      if (this.#session) {
        this.#session = undefined
        await this.#options.yield()
      }
      await session.end().catch(() => {})
    }
  }
}

async function tryLock(session: pg.Client, key: number): Promise<boolean> {
  const { rows } = await session.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [key])
  return rows[0]?.locked ?? false
}

/** By the database's clock, which all who stand by share. */
async function nameOfTerm(session: pg.Client): Promise<string> {
  const { rows } = await session.query<{ ms: string }>(
    "SELECT lpad(floor(extract(epoch FROM clock_timestamp()) * 1000)::text, 15, '0') AS ms",
  )
  return rows[0]?.ms ?? ''
}
