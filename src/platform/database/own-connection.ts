import { DatabaseClient } from './client.ts'

/** How long Postgres may take to accept the connection, and to answer a query on it. */
const timeoutMs = 5000

/**
 * A dedicated connection, outside of the pool. A network that swallows everything cannot hold it up: anything that
 * waits for Postgres fails after five seconds.
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

  /** Rejects if Postgres is out of reach; then there is nothing to close. */
  async open(): Promise<void> {
    try {
      await this.client.connect()
    } catch (error) {
      this.cut()
      throw error
    }
  }

  /** Closes it within a second, and tells Postgres if that listens. */
  async close(): Promise<void> {
    await this.client.end().catch(() => {})
    this.cut()
  }

  /** Closes it at once, without telling Postgres. */
  cut(): void {
    this.client.cut()
  }
}
