import type { JobState } from './job.ts'

/**
 * The life of a job. Each arrow is one event, and there is no other way from state to state.
 *
 *     QUEUED --begin--> RUNNING --succeed--> SUCCEEDED
 *       ^                | | |
 *       |<--handBack-----+ | +--fail, giveUp--> FAILED
 *       |                  |
 *       |                retry
 *       |                  v
 *       |              RETRYING --begin--> RUNNING
 *       |
 *       +--requeue-- FAILED, CANCELLED <--cancel-- QUEUED, RUNNING, RETRYING
 *                    FAILED <--expire-- QUEUED, RUNNING, RETRYING
 *
 * begin: a worker starts an attempt; of a RUNNING job, because the worker that ran it was lost. handBack: its worker stops.
 * progress changes no state. expire: no worker has taken it for days; of a RUNNING job, since the worker that ran it was lost.
 *
 * With a job that was lost twice begins a suspicion that it kills its workers. From then on it is begun by beginAlone, while its
 * worker runs no other suspect, or put off by postpone, to QUEUED. giveUp: it was lost too often.
 */
export const transitions = {
  begin: { from: ['QUEUED', 'RETRYING', 'RUNNING'], to: 'RUNNING' },
  beginAlone: { from: ['QUEUED', 'RETRYING', 'RUNNING'], to: 'RUNNING' },
  postpone: { from: ['QUEUED', 'RETRYING', 'RUNNING'], to: 'QUEUED' },
  progress: { from: ['RUNNING'], to: 'RUNNING' },
  succeed: { from: ['RUNNING'], to: 'SUCCEEDED' },
  retry: { from: ['RUNNING'], to: 'RETRYING' },
  fail: { from: ['RUNNING'], to: 'FAILED' },
  giveUp: { from: ['RUNNING'], to: 'FAILED' },
  handBack: { from: ['RUNNING'], to: 'QUEUED' },
  cancel: { from: ['QUEUED', 'RUNNING', 'RETRYING'], to: 'CANCELLED' },
  expire: { from: ['QUEUED', 'RUNNING', 'RETRYING'], to: 'FAILED' },
  requeue: { from: ['FAILED', 'CANCELLED'], to: 'QUEUED' },
} as const satisfies Record<string, { readonly from: readonly JobState[]; readonly to: JobState }>

export type JobEvent = keyof typeof transitions

/** A job that was lost with so many workers does not run beside another such job. */
export const suspectLosses = 2
/** A job that was lost with so many workers is not begun again. */
export const maxLosses = 5
