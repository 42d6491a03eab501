import { DatabaseClient } from './client.ts'

/** How long Postgres may take to accept the connection, and to answer a query on it. */
const timeoutMs = 5000

/**
 * A connection for one purpose, beside the pool. A network that swallows everything can't hold it up: whatever waits for Postgres
 * fails after five seconds.
 */
export class OwnConnection {
  readonly client: DatabaseClient

  /** `name` is shown in pg_stat_activity. */
  constructor(connectionString: string, name: string) {
    this.client = new DatabaseClient({
      connectionString,
      application_name: name,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
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

  /** Ends it within a second, with a word to Postgres where that listens. */
  async close(): Promise<void> {
    await this.client.end().catch(() => {})
    this.cut()
  }

  /** Ends it at once, without a word. */
  cut(): void {
    this.client.cut()
  }
}
