import { ConfigurationError } from '../environment.ts'
import { DatabaseClient } from './client.ts'

/** One that asks between, and those that hold a transaction each: a pooler would have to give one the other's session. */
const holders = 3
const answerTimeoutMs = 5000

const shared =
  'a pooler in front of it shares sessions between clients, and advisory locks, LISTEN and settings need a session of their ' +
  'own: set pool_mode = session there (PgBouncer), or let DATABASE_URL name Postgres itself'

interface Seen {
  readonly pid: number
  readonly encoding: string
}

/**
 * Finds out whether every connection has a session of its own, by what tells them apart: the process that serves it. Behind a
 * pooler that hands sessions out by transaction or statement everything seems to work, but two processes lead at once, and
 * nobody hears what is published. Throws a ConfigurationError with a sentence that says what to set, or why it can't be reached.
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
      // The session that was given back last is the one that a pooler hands out first.
      const { pid } = await look(holder)
      if (seen.has(pid) || (await look(idle)).pid !== first.pid) throw new ConfigurationError(shared)
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
    // So says PgBouncer in pool_mode = statement.
    if (/transaction blocks not allowed/i.test((error as Error).message)) throw new ConfigurationError(shared)
    throw error
  }
}
