import { jobConcurrency } from '../jobs/queue/runner.ts'
import type { Role } from './role.ts'

/** How many connections a process holds at most, unless DATABASE_CONNECTIONS says otherwise. */
const usual: Readonly<Record<Role, number>> = { all: 40, worker: 40, api: 20, ingest: 10, migrate: 2 }
/** One per running job for its changes of state, one on which graphile-worker listens, one for its schedules. */
const mostForJobs = jobConcurrency + 2

/** The statement time-out of requests. */
export const requestStatementMs = 5000
/** Longer for the queue: it has to survive a restart of the database, and deletes many rows at once. */
export const jobPatience = { patienceMs: 60_000, statementTimeoutMs: 60_000 }

export interface ConnectionShares {
  /** For requests, candles and publishing. */
  readonly requests: number
  /** Reserved for the queue, so that requests can't take them. */
  readonly jobs: number
}

/** Shares a process' connections out between its pools, after those that listen to the bus and hold the lead. */
export function connectionShares(role: Role, configured: number | undefined, isShared: boolean): ConnectionShares {
  const listening = isShared ? 1 : 0
  const leading = role === 'all' || role === 'ingest' ? 1 : 0
  const pooled = (configured ?? usual[role]) - listening - leading
  const jobs = role === 'all' || role === 'worker' ? Math.min(mostForJobs, Math.floor(pooled / 2)) : 0
  return { requests: pooled - jobs, jobs }
}
