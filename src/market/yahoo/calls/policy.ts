import {
  BulkheadRejectedError,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  isBrokenCircuitError,
  isBulkheadRejectedError,
  noJitterGenerator,
  type RetryPolicy,
  retry,
} from 'cockatiel'
import { FairSlots } from '../../../platform/concurrency/fair-slots.ts'
import { fullJitter } from '../../../platform/retry.ts'
import { isFailure, mayPass, rateLimited, YahooRefusal } from './errors.ts'
import type { YahooEndpoint, YahooMetrics } from './metrics.ts'
import { RateLimitPause } from './rate-limit-pause.ts'
import type { RetryBudget } from './retry-budget.ts'

export interface YahooPolicyOptions {
  /** In [0, 1). */
  readonly random?: () => number
  /** The first retry comes within this time, the second within twice as much. */
  readonly retryWithinMs?: number
  /** How long an open breaker rejects calls at first, and at most. */
  readonly breakMs?: number
  readonly longestBreakMs?: number
}

interface Shared {
  readonly endpoint: YahooEndpoint
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly budget: RetryBudget
  readonly metrics: YahooMetrics
}

const retries = 2
const longestRetryMs = 2000
/** A chart call takes one symbol, and jobs want many of them; the other calls take all symbols at once. */
const runningCalls = (endpoint: YahooEndpoint): number => (endpoint === 'chart' ? 16 : 4)
const waitingCalls = 500
/** cockatiel opens the breaker above its threshold; it should open at four fifths: 4 of 5, 16 of 20. */
const failedShare = 0.799
const recentCalls = 20
const leastCalls = 5

/**
 * How an endpoint is called, from the outside in: retry, slot, rate-limit pause, breaker, HTTP call. Each retry takes a
 * new slot when it is due. The pause and the breaker are checked in the slot, so they apply to calls that have waited
 * too. The time-out covers the HTTP call only, no waiting.
 */
export class YahooPolicy {
  readonly #shared: Shared
  readonly #pause: RateLimitPause
  readonly #retry: RetryPolicy
  readonly #slots: FairSlots
  readonly #breaker: CircuitBreakerPolicy
  #lastRefusal: YahooRefusal | undefined

  constructor(shared: Shared, options: YahooPolicyOptions) {
    const { random = Math.random, retryWithinMs = 200, breakMs = 1000, longestBreakMs = 30_000 } = options
    const { endpoint, now, budget, metrics } = shared
    this.#shared = shared
    this.#pause = new RateLimitPause(now)
    this.#slots = new FairSlots(runningCalls(endpoint))
    metrics.slots(endpoint, this.#slots, waitingCalls)

    this.#retry = retry(
      handleWhen((error) => mayPass(error) && budget.take()),
      {
        maxAttempts: retries,
        backoff: fullJitter({ firstMs: retryWithinMs, longestMs: longestRetryMs, random }),
      },
    )
    this.#retry.onRetry(() => metrics.retried(endpoint))
    // cockatiel also asks after the last attempt, for which there is no retry.
    this.#retry.onGiveUp(() => budget.giveBack())

    this.#breaker = circuitBreaker(handleWhen(isFailureOf(endpoint)), {
      breaker: new CountBreaker({ threshold: failedShare, size: recentCalls, minimumNumberOfCalls: leastCalls }),
      halfOpenAfter: new ExponentialBackoff({
        initialDelay: breakMs,
        maxDelay: longestBreakMs,
        generator: noJitterGenerator,
      }),
    })
    this.#breaker.onStateChange((state) => metrics.breaker(endpoint, nameOf(state)))
  }

  /**
   * Calls `work`, several times if need be. `operation` stands for the operation that causes the call: operations take
   * turns. Throws the error of `work`, SOURCE_RATE_LIMITED, or cockatiel's error for a rejected call.
   */
  async execute<T>(work: () => Promise<T>, operation?: object): Promise<T> {
    const { endpoint, metrics } = this.#shared
    try {
      return await this.#retry.execute(({ attempt }) =>
        this.#inSlot(operation, () => {
          this.#refuseWhilePaused()
          return this.#breaker.execute(() => this.#letOut(work, attempt))
        }),
      )
    } catch (error) {
      if (isBrokenCircuitError(error)) metrics.rejected(endpoint, 'breaker')
      if (isBulkheadRejectedError(error)) metrics.rejected(endpoint, 'bulkhead')
      throw error
    }
  }

  async #inSlot<T>(operation: object | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#slots.waiting >= waitingCalls) throw new BulkheadRejectedError(0, 0)
    return await this.#slots.run(operation, async () => work())
  }

  async #letOut<T>(work: () => Promise<T>, attempt: number): Promise<T> {
    // Checked again: a call that waited for a half-open breaker may have waited through a 429.
    this.#refuseWhilePaused()
    if (attempt === 0) this.#shared.budget.earn()
    try {
      const answer = await work()
      this.#pause.answered()
      return answer
    } catch (error) {
      if (!(error instanceof YahooRefusal && error.isRateLimit)) throw error
      this.#pause.refused(error.retryAfterSeconds)
      this.#lastRefusal = error
      throw rateLimited(this.#pause.secondsLeft() ?? 1, error)
    }
  }

  #refuseWhilePaused(): void {
    const secondsLeft = this.#pause.secondsLeft()
    if (secondsLeft === null) return
    const { endpoint, metrics } = this.#shared
    metrics.rejected(endpoint, 'rate_limit')
    throw rateLimited(secondsLeft, this.#lastRefusal)
  }
}

/** Opening a session names no symbol and no range, so every refusal is a failure, except for a rate limit. */
const isFailureOf = (endpoint: YahooEndpoint) =>
  endpoint === 'crumb' ? (error: unknown) => isFailure(error) || error instanceof YahooRefusal : isFailure

function nameOf(state: CircuitState): 'closed' | 'halfOpen' | 'open' {
  if (state === CircuitState.Closed) return 'closed'
  return state === CircuitState.HalfOpen ? 'halfOpen' : 'open'
}
