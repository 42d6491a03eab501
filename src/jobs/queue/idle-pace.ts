import { performance } from 'node:perf_hooks'

export interface IdlePaceOptions {
  /** For how long the event loop has to have had nothing to do since the last beginning, in milliseconds. */
  readonly eachMs: number
  /** After so long something begins however busy the event loop is. */
  readonly longestMs: number
  /** For how long the event loop has had nothing to do so far, and the time, in milliseconds. */
  readonly idleMs?: () => number
  readonly nowMs?: () => number
}

/**
 * Says whether something may begin: however much there is to do, requests find the event loop free in between. Work that waits
 * for others is hardly slowed down by it.
 */
export function idlePace({
  eachMs,
  longestMs,
  idleMs = () => performance.eventLoopUtilization().idle,
  nowMs = () => performance.now(),
}: IdlePaceOptions): () => boolean {
  let last = { idleMs: Number.NEGATIVE_INFINITY, nowMs: Number.NEGATIVE_INFINITY }
  return () => {
    const now = { idleMs: idleMs(), nowMs: nowMs() }
    if (now.idleMs - last.idleMs < eachMs && now.nowMs - last.nowMs < longestMs) return false
    last = now
    return true
  }
}
