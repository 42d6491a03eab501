import { dayMs, minuteMs } from '../../../domain/time.ts'

const firstMs = 1000
const longestUntoldMs = 5 * minuteMs
const longestMs = dayMs

/** How long nothing is asked of somebody who has said that it is too much. */
export class RateLimitPause {
  readonly #now: () => number
  #untilMs = Number.NEGATIVE_INFINITY
  #nextMs = firstMs

  /** `now`: milliseconds that only go forward. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whole seconds, at least 1; null: it may be asked. */
  secondsLeft(): number | null {
    const leftMs = this.#untilMs - this.#now()
    return leftMs > 0 ? Math.ceil(leftMs / 1000) : null
  }

  /** A request was refused. `retryAfterSeconds`: how long it said to wait; null: it did not say. */
  refused(retryAfterSeconds: number | null): void {
    const nowMs = this.#now()
    const pauseMs = retryAfterSeconds === null ? this.#untoldMs(nowMs) : Math.max(firstMs, retryAfterSeconds * 1000)
    this.#untilMs = Math.max(this.#untilMs, nowMs + Math.min(longestMs, pauseMs))
  }

  answered(): void {
    this.#nextMs = firstMs
  }

  /** Requests that were under way together are refused together: the others than the first double nothing. */
  #untoldMs(nowMs: number): number {
    if (nowMs < this.#untilMs) return 0
    const pauseMs = this.#nextMs
    this.#nextMs = Math.min(longestUntoldMs, pauseMs * 2)
    return pauseMs
  }
}
