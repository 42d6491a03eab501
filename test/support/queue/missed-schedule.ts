import type { Schedule } from '../../../src/jobs/queue/schedule.ts'
import type { TestDatabase } from '../database/database.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/**
 * A daily schedule whose last run was missed, so that the next worker makes up for it at once. It was due at a full hour,
 * at least two minutes ago.
 */
export async function missedSchedule(database: TestDatabase): Promise<{
  readonly schedule: Schedule
  readonly dueAtMs: number
  /** When the runs were due, as they were told. */
  readonly dues: readonly number[]
  /** The first of them. */
  readonly ran: Promise<number>
}> {
  const dueAtMs = Math.floor((Date.now() - 2 * minuteMs) / hourMs) * hourMs
  await database.query(
    `INSERT INTO graphile_worker._private_known_crontabs (identifier, known_since, last_execution)
     VALUES ('daily', $1, $1)`,
    [new Date(dueAtMs - 24 * hourMs)],
  )
  const dues: number[] = []
  const ran = Promise.withResolvers<number>()
  const run = async (dueMs: number): Promise<void> => {
    dues.push(dueMs)
    ran.resolve(dueMs)
  }
  const cron = `0 ${new Date(dueAtMs).getUTCHours()} * * *`
  return { schedule: { name: 'daily', cron, makeUpHours: 24, run }, dueAtMs, dues, ran: ran.promise }
}
