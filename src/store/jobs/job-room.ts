import type pg from 'pg'
import { type FinstageError, limitExceeded } from '../../domain/errors.ts'
import { jobKinds, type WaitingLimits } from '../../domain/job.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'

/** The row for all owners together. No owner has this name. */
const everybody = ''
/** When a client that was refused may ask again: room comes as jobs begin. */
const retryAfterSeconds = 5

/**
 * SQL that locks the room of the owners in the array `owners` and of everybody, as rows of owner and room. A row that
 * was counted against another limit is left out. All statements lock in this order, everybody last, so that its lock is
 * held for the shortest time.
 */
export const lockedRoom = (owners: string, ofOwner: string, ofAll: string): string => `
  SELECT owner, room FROM finstage.job_room
  WHERE owner = ANY(${owners}) AND most = ${ofOwner} OR owner = '${everybody}' AND most = ${ofAll}
  ORDER BY owner DESC FOR UPDATE`

/** The owners and their limits, two parameters, as a table. */
const asked = 'unnest($1::text[], $2::int[]) AS asked(owner, most)'
const isDue = 'job_room.most <> asked.most OR job_room.room <= 0 AND job_room.recount_at <= clock_timestamp()'

interface RoomRow {
  readonly owner: string
  readonly room: number
  readonly isDue: boolean
}

/**
 * The bound on waiting jobs: exact, however many processes queue jobs at once, without a count at each enqueue. A row
 * holds how many more jobs may be queued. Queueing subtracts from it in the same transaction. Only when nothing is left
 * are the waiting jobs counted again. Jobs that begin do not add to it, so workers never write here.
 *
 * Running jobs are not counted. Those that come back, to be retried or because their worker stopped, may exceed the
 * bound by as many as run.
 */
export class JobRoom {
  readonly #pool: DatabasePool
  readonly limits: WaitingLimits

  constructor(pool: DatabasePool, limits: WaitingLimits) {
    this.#pool = pool
    this.limits = limits
  }

  /** Takes room for one job in the client's transaction. false: there is none, unless a recount finds some. */
  async take(client: pg.PoolClient, owner: string): Promise<boolean> {
    const { ofOwner, ofAll } = this.limits
    const { rowCount } = await client.query({
      name: 'job room take',
      text: `WITH room AS MATERIALIZED (${lockedRoom('ARRAY[$1::text]', '$2', '$3')})
        UPDATE finstage.job_room SET room = job_room.room - 1 FROM room
        WHERE job_room.owner = room.owner AND (SELECT count(*) FILTER (WHERE room > 0) FROM room) = 2`,
      values: [owner, ofOwner, ofAll],
    })
    return rowCount === 2
  }

  /**
   * Counts the waiting jobs where no room is left and a recount is due. Returns whether any of these owners has room,
   * and the error if not.
   */
  async recount(owners: readonly string[]): Promise<{ readonly hasRoom: boolean; readonly full: FinstageError }> {
    const { ofOwner, ofAll } = this.limits
    const names = [...new Set([...owners, everybody])]
    const most = names.map((name) => (name === everybody ? ofAll : ofOwner))
    if ((await this.#read(names, most)).some(({ isDue }) => isDue)) await this.#count(names, most)
    const rows = await this.#read(names, most)
    const isFull = rows.some(({ owner, room }) => owner === everybody && room <= 0)
    const full = isFull
      ? limitExceeded(`The queue is full (at most ${ofAll} waiting jobs): try again later`, retryAfterSeconds)
      : limitExceeded(
          `You have too many waiting jobs (at most ${ofOwner}): cancel some, or wait until some start`,
          retryAfterSeconds,
        )
    return { hasRoom: !isFull && rows.some(({ owner, room }) => owner !== everybody && room > 0), full }
  }

  /** Reads without locks, since most requests that are refused come before the next recount is due. */
  async #read(names: readonly string[], most: readonly number[]): Promise<RoomRow[]> {
    const { rows } = await this.#pool.query<RoomRow>({
      name: 'job room read',
      text: `SELECT asked.owner, coalesce(room, 0) AS room, (${isDue}) IS NOT FALSE AS "isDue"
        FROM ${asked} LEFT JOIN finstage.job_room ON job_room.owner = asked.owner`,
      values: [names, most],
    })
    return rows
  }

  #count(names: readonly string[], most: readonly number[]): Promise<void> {
    return transaction(this.#pool, async (client) => {
      await client.query(
        `INSERT INTO finstage.job_room (owner, most, room) SELECT owner, most, 0 FROM ${asked}
         ORDER BY owner DESC ON CONFLICT DO NOTHING`,
        [names, most],
      )
      const { rows: due } = await client.query<{ owner: string; most: number }>(
        `SELECT job_room.owner, asked.most FROM finstage.job_room JOIN ${asked} ON asked.owner = job_room.owner
         WHERE ${isDue} ORDER BY job_room.owner DESC FOR UPDATE OF job_room`,
        [names, most],
      )
      // A separate statement: one that had waited for the lock would not see the jobs that were queued meanwhile.
      await client.query(
        `WITH counted AS MATERIALIZED (
           SELECT asked.owner, asked.most, clock_timestamp() AS began_at, (
             SELECT count(*)::int FROM graphile_worker.jobs
             WHERE locked_at IS NULL AND task_identifier = ANY($3) AND (asked.owner = '${everybody}' OR flags ? asked.owner)
           ) AS waiting FROM ${asked}
         )
         UPDATE finstage.job_room SET most = counted.most, room = greatest(0, counted.most - counted.waiting),
           recount_at = clock_timestamp() + least(interval '1 second', 10 * (clock_timestamp() - counted.began_at))
         FROM counted WHERE counted.owner = job_room.owner`,
        [due.map(({ owner }) => owner), due.map((row) => row.most), jobKinds],
      )
    })
  }
}
