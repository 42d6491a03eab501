export interface ChannelOptions<T> {
  /** How many values may wait; beyond that `compact` has to make fewer of them. */
  readonly maxWaiting: number
  readonly compact: (waiting: readonly T[]) => T[]
  /** Where so many wait all the same, the reader gets those, then a last value, and the end. Without it there is no bound. */
  readonly bound?: { readonly waiting: number; readonly last: () => T }
  /** Called once, when the reader has gone or all was read of a channel that was ended. */
  readonly onEnd: () => void
}

/** Values on their way to one reader, who may stop reading at any time: also while it waits for the next. */
export class Channel<T> implements AsyncIterableIterator<T> {
  readonly #options: ChannelOptions<T>
  #waiting: T[] = []
  #readers: ((result: IteratorResult<T>) => void)[] = []
  #state: 'open' | 'ending' | 'ended' = 'open'
  /** Beyond what is waiting is made less: rarer where that has brought little, for it looks at all that waits. */
  #compactBeyond: number

  constructor(options: ChannelOptions<T>) {
    this.#options = options
    this.#compactBeyond = options.maxWaiting
  }

  push(value: T): void {
    if (this.#state !== 'open') return
    const reader = this.#readers.shift()
    if (reader) {
      reader({ value, done: false })
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

  /** How many values wait. */
  get size(): number {
    return this.#waiting.length
  }

  /** The reader gets what waits, and then the end. */
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
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  return(): Promise<IteratorResult<T>> {
    if (this.#state !== 'ended') {
      this.#state = 'ended'
      this.#waiting = []
      for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true })
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
