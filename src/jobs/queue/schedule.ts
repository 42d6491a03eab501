import type { Logger } from '../../platform/logger.ts'

/** What is done by the clock (UTC), once over all workers: housekeeping, or queueing a job with the run's time as its key. */
export interface Schedule {
  readonly name: string
  /** Minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  /** Runs that were missed while no worker ran are made up for, as far back as this; 0: they are not. */
  readonly makeUpHours: number
  /**
   * `dueAtMs`: the time it was due by the clock, also where it is made up for later. `signal` is aborted when the worker is to
   * stop: what takes long ends then. Tried again where it throws.
   */
  readonly run: (dueAtMs: number, log: Logger, signal: AbortSignal) => Promise<void>
}

/** A line of graphile-worker's crontab. */
export const crontabLine = ({ name, cron, makeUpHours }: Schedule): string =>
  `${cron} ${name}${makeUpHours > 0 ? ` ?fill=${makeUpHours}h` : ''}`
