import { ConfigurationError } from '../environment.ts'
import { DatabaseClient } from './client.ts'

/**
 * Connections that hold a transaction each, while another one queries in between: a pooler would have to give one the
 * session of the other.
 */
const holders = 3
/** While a transaction is held. A busy pooler may give the session that asks back by chance, but not so often. */
const looksPerHolder = 10
const answerTimeoutMs = 5000

const shared =
  'a pooler in front of it shares sessions between clients, and advisory locks, LISTEN and settings need a session of their ' +
  'own: set pool_mode = session there (PgBouncer), or let DATABASE_URL name Postgres itself'

interface Seen {
  readonly pid: number
  readonly encoding: string
}

/**
 * Checks that every connection has a session of its own, identified by the server process. Behind a pooler that assigns
 * sessions by transaction or statement, everything seems to work, but two processes lead at once and nobody hears what
 * is published. Throws a ConfigurationError that says what to set, or why the database is out of reach.
 */
export async function requireOwnSessions(connectionString: string): Promise<void> {
  const sessions = Array.from({ length: holders + 1 }, () => new DatabaseClient({ connectionString }))
  try {
    await Promise.all(sessions.map((session) => session.connect()))
    const [idle, ...holding] = sessions as [DatabaseClient, ...DatabaseClient[]]
    const first = await look(idle)
    if (first.encoding !== 'UTF8' && first.encoding !== 'SQL_ASCII') {
      throw new ConfigurationError(`its encoding is ${first.encoding}: create it anew WITH ENCODING 'UTF8'`)
    }
    const seen = new Set([first.pid])
    for (const holder of holding) {
      await begin(holder)
      // A pooler hands out the session that was returned last.
      const { pid } = await look(holder)
      if (seen.has(pid)) throw new ConfigurationError(shared)
      for (let time = 0; time < looksPerHolder; time++) {
        if ((await look(idle)).pid !== first.pid) throw new ConfigurationError(shared)
      }
      seen.add(pid)
    }
  } finally {
    await Promise.all(sessions.map((session) => session.end()))
  }
}

async function look(session: DatabaseClient): Promise<Seen> {
  const text = `SELECT pg_backend_pid() AS pid, current_setting('server_encoding') AS encoding`
  const { rows } = await session.query<Seen>({ text, query_timeout: answerTimeoutMs } as { text: string })
  const [row] = rows
  if (!row) throw new Error('the database returned no row')
  return row
}

async function begin(session: DatabaseClient): Promise<void> {
  try {
    await session.query('BEGIN')
  } catch (error) {
    // PgBouncer's message in pool_mode = statement.
    if (/transaction blocks not allowed/i.test((error as Error).message)) throw new ConfigurationError(shared)
    throw error
  }
}
