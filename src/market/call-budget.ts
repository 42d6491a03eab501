import { limitExceeded } from '../domain/errors.ts'

/**
 * How many calls of the source one operation, or one event of a subscription, may cause. What comes out of a cache or the store,
 * or with a call that is under way for somebody else, costs nothing.
 */
export class CallBudget {
  readonly #calls: number
  #left: number

  constructor(calls: number) {
    this.#calls = calls
    this.#left = calls
  }

  /** Throws LIMIT_EXCEEDED where fewer calls are left, and takes none then: something cheaper may still be paid for. */
  take(calls = 1): void {
    if (calls > this.#left) {
      const message = `An operation may cause at most ${this.#calls} calls of the source: ask for less at once`
      throw limitExceeded(message, 0)
    }
    this.#left -= calls
  }
}

/** For so long a client waits for news of something of which the last known can be told. */
export const patienceMs = 2500

/**
 * An operation that waits for an answer. Without one the work is for a job or for all clients: it is bounded elsewhere, and waits
 * as long as the source takes.
 */
export interface Caller {
  readonly budget: CallBudget
  /** When it is to get what is stored, in milliseconds of performance.now(). */
  readonly untilMs: number
}

export const callerWith = (budget: CallBudget): Caller => ({ budget, untilMs: performance.now() + patienceMs })

/** What `work` gives, or `instead` where that is not there in time; it goes on all the same. */
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
