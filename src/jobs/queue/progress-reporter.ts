import type { Logger } from '../../platform/logger.ts'

/** Progress is written at most once in this time. */
const intervalMs = 100

export interface ProgressReporter {
  /** 0 to 1. Ignores a share that is not above the last, and 1: the job's state tells the end. */
  readonly report: (share: number) => void
  /** Stops writing. Resolves once the write under way has ended. */
  readonly settled: () => Promise<void>
}

/** Writes the newest progress, one write at a time, at most every 100 ms. */
export function progressReporter(write: (share: number) => Promise<unknown>, log: Logger): ProgressReporter {
  let writing: Promise<void> | undefined
  let written = 0
  let newest = 0
  let timer: NodeJS.Timeout | undefined
  let ended = false
  const flush = (): void => {
    timer = undefined
    if (ended || newest <= written) return
    written = newest
    writing = write(written)
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
      if (newest < 1 && newest > written && !writing && !timer) flush()
    },
    async settled() {
      ended = true
      clearTimeout(timer)
      await writing
    },
  }
}
