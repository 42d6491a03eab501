import { Socket } from 'node:net'
import type pg from 'pg'
import { Session } from './session.ts'

/** How long Postgres may take to accept the connection, and to answer a query on it. */
const timeoutMs = 5000
const closeTimeoutMs = 1000

/**
 * A connection for one purpose, beside the pool. A network that swallows everything can't hold it up: whatever waits for Postgres
 * fails after five seconds.
 */
export class OwnConnection {
  readonly client: pg.Client
  readonly #socket = new Socket()

  /** `name` is shown in pg_stat_activity. */
  constructor(connectionString: string, name: string) {
    this.client = new Session({
      connectionString,
      application_name: name,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      stream: () => this.#socket,
    })
  }

  /** Rejects where Postgres can't be reached; then there is nothing to close. */
  async open(): Promise<void> {
    try {
      await this.client.connect()
    } catch (error) {
      this.cut()
      throw error
    }
  }

  /** Ends it, with a word to Postgres where that listens. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.cut(), closeTimeoutMs)
    await this.client.end().catch(() => {})
    clearTimeout(timer)
    this.cut()
  }

  /** Ends it at once, without a word. */
  cut(): void {
    this.#socket.destroy()
  }
}
