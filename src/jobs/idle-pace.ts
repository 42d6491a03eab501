import { performance } from 'node:perf_hooks'

/**
 * Lets something begin only after the event loop has had nothing to do for `eachMs` since the last beginning: however much there
 * is to do, requests find the loop free in between. Work that waits for others is hardly slowed down by it.
 *
 * @param idleMs For how long the event loop has had nothing to do so far, in milliseconds.
 */
export function idlePace(eachMs: number, idleMs = () => performance.eventLoopUtilization().idle): () => boolean {
  let lastMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = idleMs()
    if (nowMs - lastMs < eachMs) return false
    lastMs = nowMs
    return true
  }
}
