import type { Logger } from '../../platform/logger.ts'

/** At most one report of progress in this time reaches the database. */
const intervalMs = 100

export interface ProgressReporter {
  /** 0 to 1. What would go back, or is the end, is not told: the end is told by the job's state. */
  readonly report: (share: number) => void
  /** Resolves once nothing is being written; nothing is, from then on. */
  readonly settled: () => Promise<void>
}

/** Writes progress one at a time, the newest only, and no more often than every 100 ms. */
export function progressReporter(write: (share: number) => Promise<unknown>, log: Logger): ProgressReporter {
  let writing: Promise<void> | undefined
  let told = 0
  let newest = 0
  let timer: NodeJS.Timeout | undefined
  let ended = false
  const flush = (): void => {
    timer = undefined
    if (ended || newest <= told) return
    told = newest
    writing = write(told)
      .then(() => {})
      .catch((error: unknown) => log.warn({ err: error }, 'progress could not be written'))
      .finally(() => {
        writing = undefined
        if (!ended) timer = setTimeout(flush, intervalMs)
      })
  }
  return {
    report(share) {
      newest = Math.max(newest, Math.min(share, 1))
      if (newest < 1 && newest > told && !writing && !timer) flush()
    },
    async settled() {
      ended = true
      clearTimeout(timer)
      await writing
    },
  }
}
