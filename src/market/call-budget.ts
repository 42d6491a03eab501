import { limitExceeded } from '../domain/errors.ts'

/**
 * How many calls of the source one operation, or one event of a subscription, may cause. Answers from a cache or the
 * store are free, and so is joining a call that already runs for another operation.
 */
export class CallBudget {
  readonly #calls: number
  #left: number

  constructor(calls: number) {
    this.#calls = calls
    this.#left = calls
  }

  /** Throws LIMIT_EXCEEDED if fewer calls are left, and then takes none: a cheaper call may still be paid for. */
  take(calls = 1): void {
    if (calls > this.#left) {
      const message = `An operation may cause at most ${this.#calls} calls of the source: ask for less at once`
      throw limitExceeded(message, 0)
    }
    this.#left -= calls
  }
}

/** How long a client waits for news if the last known value can stand in. */
export const patienceMs = 2500

/**
 * An operation that waits for an answer. Calls without one are for a job or for all clients: they are bounded
 * elsewhere, and wait as long as the source takes.
 */
export interface Caller {
  readonly budget: CallBudget
  /** When it gets what is stored instead, in milliseconds of performance.now(). */
  readonly untilMs: number
}

export const callerWith = (budget: CallBudget): Caller => ({ budget, untilMs: performance.now() + patienceMs })

/** The result of `work`, or `instead` if that takes longer than `ms`. The work goes on in any case. */
export async function within<T>(work: Promise<T>, ms: number, instead: () => T): Promise<T> {
  if (ms === Number.POSITIVE_INFINITY) return await work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(instead()), Math.max(0, ms))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
