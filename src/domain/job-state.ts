import type { JobState } from './job.ts'

/**
 * The states of a job. Each arrow is one event, and no state changes in any other way.
 *
 *     QUEUED --begin--> RUNNING --succeed--> SUCCEEDED
 *       ^                | | |
 *       |<--handBack-----+ | +--fail, giveUp--> FAILED
 *       |                  |
 *       |                retry
 *       |                  v
 *       |              RETRYING --begin--> RUNNING
 *       |
 *       +--requeue-- FAILED, CANCELLED
 *
 *     QUEUED, RUNNING, RETRYING --cancel--> CANCELLED
 *     QUEUED, RUNNING, RETRYING --expire--> FAILED
 *     QUEUED, RUNNING, RETRYING --beginAlone--> RUNNING, or --postpone--> QUEUED
 *
 * begin: a worker starts an attempt; a RUNNING job begins again after its worker was lost. handBack: its worker stops.
 * progress changes no state. expire: no worker has taken the job for days, even after the worker that ran it was lost.
 *
 * A job that was lost with two workers is a suspect: it may be what kills them. From then on beginAlone starts it, when
 * its worker runs no other suspect, or postpone puts it off, to QUEUED. giveUp: too many workers were lost with it.
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

/** A job that was lost with this many workers is a suspect, and never runs beside another suspect in one process. */
export const suspectLosses = 2
/** A job that was lost with this many workers does not begin again. */
export const maxLosses = 5
