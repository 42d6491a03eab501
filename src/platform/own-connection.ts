import { Socket } from 'node:net'
import pg from 'pg'

/** How long Postgres may take to accept the connection, and to answer a query on it. */
const timeoutMs = 5000
const closeTimeoutMs = 1000

/**
 * Postgres notices within half a minute that this end has gone, and does not end the session for being idle, whatever database and
 * role are set to.
 */
const setUp = `SELECT set_config(name, value, false) FROM (VALUES ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '10'),
  ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30000')) AS settings (name, value)`

/**
 * A connection for one purpose, beside the pool. A network that swallows everything can't hold it up: whatever waits for Postgres
 * fails after five seconds.
 */
export class OwnConnection {
  readonly client: pg.Client
  readonly #socket = new Socket()

  /** `name` is shown in pg_stat_activity. */
  constructor(connectionString: string, name: string) {
    this.client = new pg.Client({
      connectionString,
      application_name: name,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      stream: () => this.#socket,
    })
    // Without a listener, a connection that breaks ends the process. Who waits for an answer is told by that.
    this.client.on('error', () => {})
  }

  /** Rejects where Postgres can't be reached; then there is nothing to close. */
  async open(): Promise<void> {
    try {
      await this.client.connect()
      await this.client.query(setUp)
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
