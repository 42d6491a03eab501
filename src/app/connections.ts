import { jobConcurrency } from '../jobs/queue/runner.ts'
import type { Role } from './role.ts'

/** How many connections a process holds at most, where DATABASE_CONNECTIONS does not say. */
const usual: Readonly<Record<Role, number>> = { all: 40, worker: 40, api: 20, ingest: 10, migrate: 2 }
/** One for each job's changes of state, one with which graphile-worker listens, one for its schedules. */
const mostForJobs = jobConcurrency + 2

/** No request waits for longer on a statement. */
export const requestStatementMs = 5000
/** The queue outlasts a restart of the database, and deletes much at once. */
export const jobPatience = { patienceMs: 60_000, statementTimeoutMs: 60_000 }

export interface ConnectionShares {
  /** For requests, candles and what is published. */
  readonly requests: number
  /** For the queue: requests can't take them away. */
  readonly jobs: number
}

/** Shares a process' connections out between its pools; those that listen to the bus and hold the lead come first. */
export function connectionShares(role: Role, configured: number | undefined, isShared: boolean): ConnectionShares {
  const listening = isShared ? 1 : 0
  const leading = role === 'all' || role === 'ingest' ? 1 : 0
  const pooled = (configured ?? usual[role]) - listening - leading
  const jobs = role === 'all' || role === 'worker' ? Math.min(mostForJobs, Math.floor(pooled / 2)) : 0
  return { requests: pooled - jobs, jobs }
}
