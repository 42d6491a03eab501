import type { Logger } from '../../platform/logger.ts'

/**
 * Work that one of all workers does by the clock (UTC): housekeeping, or queueing a job with the due time in its
 * idempotency key.
 */
export interface Schedule {
  readonly name: string
  /** Minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  /** How far back runs are made up for that were missed while no worker ran; 0: not at all. */
  readonly makeUpHours: number
  /**
   * `dueAtMs`: when the run was due by the clock, even if it is made up for later. `signal` aborts when the worker
   * stops: a long run has to end then. A run that throws is tried again.
   */
  readonly run: (dueAtMs: number, log: Logger, signal: AbortSignal) => Promise<void>
}

/** A line of graphile-worker's crontab. */
export const crontabLine = ({ name, cron, makeUpHours }: Schedule): string =>
  `${cron} ${name}${makeUpHours > 0 ? ` ?fill=${makeUpHours}h` : ''}`
