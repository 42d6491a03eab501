import { dayMs, minuteMs } from '../../../domain/time/units.ts'

const firstMs = 1000
const longestUntoldMs = 5 * minuteMs
const longestMs = dayMs

/** How long Yahoo is left alone after it has refused a request as one too many. */
export class RateLimitPause {
  readonly #now: () => number
  #untilMs = Number.NEGATIVE_INFINITY
  #nextMs = firstMs

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whole seconds, at least 1; null: requests are allowed. */
  secondsLeft(): number | null {
    const leftMs = this.#untilMs - this.#now()
    return leftMs > 0 ? Math.ceil(leftMs / 1000) : null
  }

  /** A request was refused. `retryAfterSeconds`: how long Yahoo said to wait; null: it did not say. */
  refused(retryAfterSeconds: number | null): void {
    const nowMs = this.#now()
    const pauseMs = retryAfterSeconds === null ? this.#untoldMs(nowMs) : Math.max(firstMs, retryAfterSeconds * 1000)
    this.#untilMs = Math.max(this.#untilMs, nowMs + Math.min(longestMs, pauseMs))
  }

  answered(): void {
    this.#nextMs = firstMs
  }

  /** Requests that run at the same time are refused together: only the first doubles the pause. */
  #untoldMs(nowMs: number): number {
    if (nowMs < this.#untilMs) return 0
    const pauseMs = this.#nextMs
    this.#nextMs = Math.min(longestUntoldMs, pauseMs * 2)
    return pauseMs
  }
}
