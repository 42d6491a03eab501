import { DatabaseClient } from './client.ts'

/** How long Postgres may take to accept the connection, and to answer a query on it. */
const timeoutMs = 5000
/** How much longer that may take once the opening is aborted. */
const abortedTimeoutMs = 1000

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

  /**
   * Rejects if Postgres is out of reach; then there is nothing to close. After an abort it takes a second at most, so that
   * a stop does not wait for a server that hangs.
   */
  async open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    let timer: NodeJS.Timeout | undefined
    const cutSoon = (): void => {
      timer = setTimeout(() => this.cut(), abortedTimeoutMs)
    }
    signal?.addEventListener('abort', cutSoon, { once: true })
    try {
      await this.client.connect()
    } catch (error) {
      this.cut()
      throw error
    } finally {
      signal?.removeEventListener('abort', cutSoon)
      clearTimeout(timer)
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
