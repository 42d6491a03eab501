import type { JobPriority } from '../../domain/job.ts'

/**
 * graphile-worker takes the lowest number first, and of equal ones what has been due for longest. The tens are the class that
 * a job has risen to, the ones the class it was queued with, the urgent ones last: what has risen into a class has waited for
 * longer than anything that was queued in it. What a lost worker held has a number below 0.
 */
export const queuePriority: Readonly<Record<JobPriority, number>> = { CRITICAL: 3, HIGH: 12, NORMAL: 21, LOW: 30 }

/** All numbers that jobs may have by and by, but those of lost ones. */
export const waitingNumbers: readonly number[] = Object.values(queuePriority).flatMap((number) =>
  Array.from({ length: Math.floor(number / 10) + 1 }, (_, tens) => 10 * tens + (number % 10)),
)

/** SQL for the digit that tells the class a job was queued with. */
export const priorityDigit = (number: string): string => `((${number} % 10 + 10) % 10)`

/** SQL for the number of a job whose worker was lost: before all others. */
export const lostNumber = (number: string): string => `(${priorityDigit(number)} - 10)`

/** The class a job was queued with, by its digit. */
export const priorityOfDigit = (digit: number): JobPriority =>
  (['LOW', 'NORMAL', 'HIGH', 'CRITICAL'] as const)[digit] ?? 'LOW'

const priorityCase = (column: string): string =>
  `CASE ${column} ${Object.entries(queuePriority)
    .map(([name, number]) => `WHEN '${name}' THEN ${number}`)
    .join(' ')} END`

/**
 * graphile-worker's own attempts count only how often a job was taken by a worker: what an attempt may cost, and when the next
 * is due, is decided here. So they never run out.
 */
const maxPickups = 32_000

/**
 * SQL that gives a job to graphile-worker and gives the id of what carries it. The arguments are SQL too. The owner stands in the
 * flags: JobRoom counts by them.
 */
export const dispatch = (job: { id: string; kind: string; owner: string; priority: string; runAt: string }): string =>
  `(SELECT carrier.id FROM graphile_worker.add_job(${job.kind}, json_build_object('jobId', ${job.id}),
     run_at => ${job.runAt}, max_attempts => ${maxPickups}, priority => ${priorityCase(job.priority)},
     flags => ARRAY[${job.owner}]) AS carrier)`
