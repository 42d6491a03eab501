import type { JobPriority } from '../../domain/job.ts'

/**
 * The priority numbers that jobs are queued with. graphile-worker takes the lowest number first, and among equal
 * numbers the job that has been due for longest. The tens digit is the class that a job has risen to, 0 the most
 * urgent. The ones digit is the class it was queued with, 0 the least urgent: a job that rose into a class has waited
 * longer than any that was queued in it, so it goes first. Jobs of lost workers have a number below 0.
 */
export const queuePriority: Readonly<Record<JobPriority, number>> = { CRITICAL: 3, HIGH: 12, NORMAL: 21, LOW: 30 }

/** All numbers that jobs can have while they rise, except those of lost workers' jobs. */
export const waitingNumbers: readonly number[] = Object.values(queuePriority).flatMap((number) =>
  Array.from({ length: Math.floor(number / 10) + 1 }, (_, tens) => 10 * tens + (number % 10)),
)

/** SQL for the digit of the class that a job was queued with. */
export const priorityDigit = (number: string): string => `((${number} % 10 + 10) % 10)`

/** SQL for the number of a lost worker's job, which goes before all others. */
export const lostNumber = (number: string): string => `(${priorityDigit(number)} - 10)`

/** The class that a job was queued with, by its digit. */
export const priorityOfDigit = (digit: number): JobPriority =>
  (['LOW', 'NORMAL', 'HIGH', 'CRITICAL'] as const)[digit] ?? 'LOW'

const priorityCase = (column: string): string =>
  `CASE ${column} ${Object.entries(queuePriority)
    .map(([name, number]) => `WHEN '${name}' THEN ${number}`)
    .join(' ')} END`

/**
 * graphile-worker counts as an attempt each time that a worker takes a carrier. This program counts attempts itself, so
 * those of graphile-worker must never run out.
 */
const maxPickups = 32_000

/**
 * SQL that adds a carrier, the graphile-worker job that carries a job of ours, and returns its id. The arguments are
 * SQL too. The owner is a flag of the carrier, by which JobRoom counts.
 */
export const dispatch = (job: { id: string; kind: string; owner: string; priority: string; runAt: string }): string =>
  `(SELECT carrier.id FROM graphile_worker.add_job(${job.kind}, json_build_object('jobId', ${job.id}),
     run_at => ${job.runAt}, max_attempts => ${maxPickups}, priority => ${priorityCase(job.priority)},
     flags => ARRAY[${job.owner}]) AS carrier)`
