import { setTimeout as sleep } from 'node:timers/promises'
import { ExponentialBackoff, type IBackoff, type IBackoffFactory, noJitterGenerator } from 'cockatiel'

export interface RetryPace {
  /** The first retry comes within this time, each further one within twice the time before. */
  readonly firstMs: number
  /** No pause is longer. */
  readonly longestMs: number
  /** In [0, 1). */
  readonly random?: (() => number) | undefined
}

/**
 * Exponential back-off with full jitter: a pause is anywhere between 0 and a limit that doubles, so that processes that
 * failed together do not come back together (M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
 * cockatiel has a generator for this as well, but it takes no source of randomness.
 */
export const fullJitter = ({ firstMs, longestMs, random = Math.random }: RetryPace): IBackoffFactory<unknown> =>
  new ExponentialBackoff<number>({
    initialDelay: firstMs,
    maxDelay: longestMs,
    generator: (state, limits) => {
      const [limitMs, next] = noJitterGenerator(state, limits)
      return [random() * limitMs, next]
    },
  })

/** The pauses between attempts, for loops and timers that decide for themselves whether they go on. */
export class RetryPauses {
  readonly #backoff: IBackoffFactory<unknown>
  #last: IBackoff<unknown> | undefined

  constructor(pace: RetryPace) {
    this.#backoff = fullJitter(pace)
  }

  /** How long to pause after a failure, in milliseconds. */
  nextMs(): number {
    this.#last = (this.#last ?? this.#backoff).next(undefined)
    return this.#last.duration
  }

  /** Pauses after a failure. An abort ends the pause at once; it never rejects. */
  async pause(signal?: AbortSignal): Promise<void> {
    await sleep(this.nextMs(), undefined, signal && { signal }).catch(() => {})
  }

  /** After a success: the next failure is a first one again. */
  reset(): void {
    this.#last = undefined
  }
}

export interface RetryOptions extends RetryPace {
  /** Asked after each failure whether to try again. `elapsedMs`: since the first attempt began. */
  readonly mayRetry: (error: unknown, past: { readonly failures: number; readonly elapsedMs: number }) => boolean
  /** An abort ends the pause, and there are no further attempts. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Repeats `work` until it succeeds. Rejects with its last error when `mayRetry` says no, or after an abort. Only
 * cockatiel's back-off is used: its retry policy pauses without regard to an abort, which would hold up every stop.
 */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { mayRetry, signal } = options
  const startedMs = performance.now()
  let pauses: RetryPauses | undefined
  for (let failures = 1; ; failures++) {
    try {
      return await work()
    } catch (error) {
      const mayGoOn = (): boolean => signal?.aborted !== true
      if (!mayGoOn() || !mayRetry(error, { failures, elapsedMs: performance.now() - startedMs })) throw error
      pauses ??= new RetryPauses(options)
      await pauses.pause(signal)
      if (!mayGoOn()) throw error
    }
  }
}
