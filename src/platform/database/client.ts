import { Socket } from 'node:net'
import pg from 'pg'

/** A network that swallows everything is noticed after this long without traffic, plus ten probes a second apart. */
const keepAliveAfterMs = 10_000
const connectTimeoutMs = 10_000
/** How long `end` waits for the server: one that hangs never answers. */
const endTimeoutMs = 1000
/** A transaction that is idle for this long belongs to a process that hangs, and blocks others. */
const idleTransactionMs = 4000

/**
 * The settings that our SQL, node-postgres and graphile-worker rely on, and that a role, a database or a server may
 * have changed. `default_transaction_read_only` is not among them: operators and hosts use it to keep a full database
 * from being written to.
 */
const settings: Readonly<Record<string, string>> = {
  // The text format of values.
  client_encoding: 'UTF8',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  // The parsing of statements. Unqualified names are Postgres' own.
  search_path: 'public',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  // Each statement sees what was committed before it: statements wait for locks, and do not conflict.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // Connections that LISTEN or wait in a pool are idle. Time limits are set where the query is made.
  idle_session_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: String(idleTransactionMs),
  // Postgres notices within half a minute that this end is gone.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '30000',
}

/** All in one round trip. Postgres 17 added transaction_timeout. */
const statementOf = (statementTimeoutMs: number): string =>
  [
    ...Object.entries({ statement_timeout: String(statementTimeoutMs), ...settings }).map(
      ([name, value]) => `SET ${name} = '${value}'`,
    ),
    `SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL`,
  ].join('; ')

export interface DatabaseClientConfig extends pg.ClientConfig {
  /** How long a statement may run before Postgres cancels it; 0 or absent: no limit. */
  readonly statementTimeoutMs?: number | undefined
  /** Called after each statement but COPY, with its name or its text. `failure`: undefined if it has worked. */
  readonly onStatement?: StatementListener | undefined
}

export type StatementListener = (
  statement: { readonly name: string | undefined; readonly text: string },
  seconds: number,
  failure: unknown,
) => void

type Query = (...given: unknown[]) => unknown

/**
 * A connection with our own settings, whatever it would inherit. They are set by a statement and not in the startup
 * message, because PgBouncer refuses connections whose startup message has settings that it does not know.
 *
 * Ending it takes a second at most. Errors that nobody listens for do not end the process: the next query reports them.
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
    if (config.onStatement) this.query = timed(this.query.bind(this) as Query, config.onStatement) as typeof this.query
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

  /** Closes the socket at once, without telling Postgres. */
  cut(): void {
    this.#socket.destroy()
  }
}

/** Statements end by a callback or a promise. COPY gives a stream, which is left as it is. */
function timed(query: Query, onStatement: StatementListener): Query {
  return (...given) => {
    const [asked] = given as [string | { readonly name?: string; readonly text?: string } | undefined]
    const { name, text } = typeof asked === 'string' ? { name: undefined, text: asked } : (asked ?? {})
    if (text === undefined) return query(...given)
    const startedMs = performance.now()
    const ended = (failure?: unknown): void =>
      onStatement({ name, text }, (performance.now() - startedMs) / 1000, failure ?? undefined)
    const callback = given.at(-1)
    if (typeof callback === 'function') {
      const told = (error: unknown, result: unknown): void => {
        ended(error)
        callback(error, result)
      }
      return query(...given.slice(0, -1), told)
    }
    const result = query(...given)
    if (result instanceof Promise) result.then(() => ended(), ended)
    return result
  }
}
