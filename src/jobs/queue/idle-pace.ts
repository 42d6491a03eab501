import { performance } from 'node:perf_hooks'

export interface IdlePaceOptions {
  /** How long the event loop has to be idle between two starts, in milliseconds. */
  readonly eachMs: number
  /** The longest wait between two starts, however busy the event loop is. */
  readonly longestMs: number
  /** How long the event loop has been idle so far, and the time, in milliseconds. */
  readonly idleMs?: () => number
  readonly nowMs?: () => number
}

/**
 * Returns a function that says whether the next piece of work may start. It spaces CPU work out so that requests find
 * the event loop free in between. Work that mostly waits for I/O is hardly slowed down.
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
