import { Socket } from 'node:net'
import pg from 'pg'

/** A network that swallows everything is noticed after so long without a word, and ten probes of a second. */
const keepAliveAfterMs = 10_000
const connectTimeoutMs = 10_000
/** A server that stands still does not say goodbye either. */
const endTimeoutMs = 1000
/** A transaction that does nothing for so long is that of a process which stands still, and holds up others. */
const idleTransactionMs = 4000

/**
 * What our SQL, node-postgres and graphile-worker rely on, and what a role, a database or a server may have set otherwise.
 * `default_transaction_read_only` is not among them: that is how operators and hosts keep a full database from being written to.
 */
const settings: Readonly<Record<string, string>> = {
  // How what goes to and fro is written.
  client_encoding: 'UTF8',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  // How a statement is read: names without a schema are Postgres' own.
  search_path: 'public',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  // Each statement sees what was committed before it: locks are taken and waited for in place of conflicts.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // Who listens, or waits its turn in a pool, is idle. What takes too long is bounded where it is asked.
  idle_session_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: String(idleTransactionMs),
  // Postgres notices within half a minute that this end has gone.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '30000',
}

/** One round trip. Of Postgres 17 on there is a time-out more. */
const statementOf = (statementTimeoutMs: number): string =>
  [
    ...Object.entries({ statement_timeout: String(statementTimeoutMs), ...settings }).map(
      ([name, value]) => `SET ${name} = '${value}'`,
    ),
    `SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL`,
  ].join('; ')

export interface DatabaseClientConfig extends pg.ClientConfig {
  /** After how long Postgres gives up a statement; 0 or absent: never. */
  readonly statementTimeoutMs?: number | undefined
}

/**
 * A connection whose settings are ours, whatever it would inherit. They are set by a statement and not with the startup message:
 * PgBouncer refuses a connection that brings any that it does not know.
 *
 * Its end takes a second at most. An error that nobody listens for does not end the process: who asks next is told.
 */
export class DatabaseClient extends pg.Client {
  readonly #settings: pg.QueryConfig & { query_timeout: number }
  readonly #socket: Socket

  constructor(config: DatabaseClientConfig) {
    const connectionTimeoutMillis = config.connectionTimeoutMillis ?? connectTimeoutMs
    const socket = new Socket()
    super({
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveAfterMs,
      ...config,
      connectionTimeoutMillis,
      stream: () => socket,
    })
    this.#socket = socket
    this.#settings = { text: statementOf(config.statementTimeoutMs ?? 0), query_timeout: connectionTimeoutMillis }
    this.on('error', () => {})
  }

  override connect(): Promise<pg.Client>
  override connect(callback: (error: Error | null) => void): void
  override connect(callback?: (error: Error | null) => void): Promise<pg.Client> | undefined {
    const connected = this.#connect()
    if (!callback) return connected
    connected.then(() => callback(null), callback)
    return undefined
  }

  async #connect(): Promise<this> {
    await super.connect()
    try {
      await this.query(this.#settings)
    } catch (error) {
      void this.end()
      throw error
    }
    return this
  }

  override end(): Promise<void>
  override end(callback: () => void): void
  override end(callback?: () => void): Promise<void> | undefined {
    const timer = setTimeout(() => this.cut(), endTimeoutMs)
    const ended = super.end().finally(() => clearTimeout(timer))
    if (!callback) return ended
    void ended.then(callback)
    return undefined
  }

  /** Ends the connection at once, without a word to Postgres. */
  cut(): void {
    this.#socket.destroy()
  }
}
