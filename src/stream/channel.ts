export interface ChannelOptions<T> {
  /** How many values may wait. When more wait, `compact` returns those to keep. */
  readonly maxWaiting: number
  readonly compact: (waiting: readonly T[]) => T[]
  /**
   * When more than `waiting` values wait although they were compacted, the consumer gets them, then `last()`, and then
   * the end. Without it the number of values is not bounded.
   */
  readonly bound?: { readonly waiting: number; readonly last: () => T }
  /** Called once: when the consumer returns, or has read everything of a channel that was ended. */
  readonly onEnd: () => void
}

/** Open channels whose values are bounded in number. */
const bounded = new Set<{ readonly fullness: number }>()

/** How full the fullest open channel is, from 0 to 1. */
export function fullestChannel(): number {
  let most = 0
  for (const { fullness } of bounded) most = Math.max(most, fullness)
  return most
}

/** A queue of values for one consumer, which may stop at any time, also while it waits for the next value. */
export class Channel<T> implements AsyncIterableIterator<T> {
  readonly #options: ChannelOptions<T>
  #waiting: T[] = []
  /** Resolves the promises of next() that wait for a value. */
  #resolvers: ((result: IteratorResult<T>) => void)[] = []
  #state: 'open' | 'ending' | 'ended' = 'open'
  /**
   * Compacts when more values wait than this. It doubles where compacting has kept nearly all, since that looks at
   * every value.
   */
  #compactBeyond: number

  constructor(options: ChannelOptions<T>) {
    this.#options = options
    this.#compactBeyond = options.maxWaiting
    if (options.bound) bounded.add(this)
  }

  push(value: T): void {
    if (this.#state !== 'open') return
    const resolve = this.#resolvers.shift()
    if (resolve) {
      resolve({ value, done: false })
      return
    }
    this.#waiting.push(value)
    if (this.#waiting.length <= this.#compactBeyond) return
    const { maxWaiting, compact, bound } = this.#options
    this.#waiting = compact(this.#waiting)
    const { length } = this.#waiting
    if (bound && length > bound.waiting) {
      this.#waiting.push(bound.last())
      this.end()
      return
    }
    this.#compactBeyond = length > maxWaiting ? Math.min(2 * length, bound?.waiting ?? 2 * length) : maxWaiting
  }

  /** How much of what may wait is used up, from 0 to 1. */
  get fullness(): number {
    return this.#waiting.length / (this.#options.bound?.waiting ?? Number.POSITIVE_INFINITY)
  }

  /** How many values wait. */
  get size(): number {
    return this.#waiting.length
  }

  /** The consumer gets the values that wait, and then the end. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ending'
    if (this.#waiting.length === 0) void this.return()
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#waiting.length > 0) {
      const value = this.#waiting.shift() as T
      return Promise.resolve({ value, done: false })
    }
    if (this.#state !== 'open') return this.return()
    return new Promise((resolve) => this.#resolvers.push(resolve))
  }

  return(): Promise<IteratorResult<T>> {
    if (this.#state !== 'ended') {
      this.#state = 'ended'
      bounded.delete(this)
      this.#waiting = []
      for (const resolve of this.#resolvers.splice(0)) resolve({ value: undefined, done: true })
      this.#options.onEnd()
    }
    return Promise.resolve({ value: undefined, done: true })
  }

  throw(error: unknown): Promise<IteratorResult<T>> {
    void this.return()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
