import type { ExecutionResult } from 'graphql'
import type { Holding } from '../pipeline/price/standing-points.ts'

const done = { value: undefined, done: true } as const

/**
 * One operation of a client from its request on, as graphql-ws sees it: the root value of its arguments and, where it
 * is a subscription, the iterable of its events. The client may drop it at any time, also before it has begun.
 *
 * Promises of a dropped operation never settle: graphql-ws would take their end for that of a later operation to which
 * the client has given the same id.
 *
 * graphql-ws holds a subscription open for as long as it iterates over it, and takes no other sign of its end. So where
 * the events are sent past graphql-ws, the iteration yields nothing, and ends with the subscription.
 */
export class ClientOperation<Prepared = unknown> implements AsyncIterableIterator<ExecutionResult> {
  readonly id: string
  #prepared: Prepared | undefined
  /** What is ended when the client drops the operation. */
  #subscription: { return?(): unknown } | undefined
  /** undefined: there are none, or they are sent past graphql-ws. */
  #events: AsyncIterator<ExecutionResult> | undefined
  #onDropped: (() => void) | undefined
  #state: 'open' | 'dropped' | 'ended' = 'open'
  #resolveEnd: ((result: typeof done) => void) | undefined
  #holding: Holding | undefined

  constructor(id: string) {
    this.id = id
  }

  get isDropped(): boolean {
    return this.#state === 'dropped'
  }

  /** Whether it is a subscription that has begun: what it answers are events. */
  get hasEvents(): boolean {
    return this.#subscription !== undefined
  }

  /**
   * Keeps what executing the operation takes. graphql-ws holds its arguments until a subscription ends, so they hold
   * only this.
   */
  prepare(prepared: Prepared): void {
    this.#prepared = prepared
  }

  /** To be called once: the operation lets go of it, which is a third of what a subscriber would cost in memory. */
  takePrepared(): Prepared {
    const prepared = this.#prepared
    if (prepared === undefined) throw new Error('the operation is not prepared')
    this.#prepared = undefined
    return prepared
  }

  /** Has this called once the client drops the operation. */
  onDropped(dropped: () => void): void {
    this.#onDropped = dropped
    if (this.isDropped) dropped()
  }

  /** graphql-ws sends the events. They are ended when the client drops the operation. */
  async attach(events: AsyncIterator<ExecutionResult>): Promise<void> {
    this.#subscription = events
    this.#events = events
    if (this.isDropped) await events.return?.()
  }

  /**
   * The events are sent past graphql-ws, by a subscription that calls `ended()` when it ends. To be called while the
   * operation is not dropped.
   */
  attachSent(subscription: { return(): unknown }): void {
    this.#subscription = subscription
  }

  /** To be given back when the subscription is over, however that comes. */
  holds(holding: Holding): void {
    if (this.#state === 'open') this.#holding = holding
    else holding.giveBack()
  }

  ended(): void {
    this.#holding?.giveBack()
    if (this.isDropped) return
    this.#state = 'ended'
    this.#resolveEnd?.(done)
  }

  /** The promise's value, where it is still wanted. */
  unlessDropped<T>(promise: Promise<T>): Promise<T> {
    return promise.then((value) => (this.isDropped ? new Promise<never>(() => {}) : value))
  }

  next(): Promise<IteratorResult<ExecutionResult>> {
    if (this.#events) return this.unlessDropped(this.#nextOf(this.#events))
    if (this.#state === 'ended') return Promise.resolve(done)
    return new Promise((resolve) => {
      this.#resolveEnd = resolve
    })
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    if (this.#state === 'open') {
      this.#state = 'dropped'
      this.#holding?.giveBack()
      this.#onDropped?.()
      await this.#subscription?.return?.()
    }
    return done
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** graphql-ws asks for nothing more, and returns nothing, behind the end and behind an error. */
  async #nextOf(events: AsyncIterator<ExecutionResult>): Promise<IteratorResult<ExecutionResult>> {
    try {
      const next = await events.next()
      if (next.done) this.#holding?.giveBack()
      return next
    } catch (error) {
      this.#holding?.giveBack()
      throw error
    }
  }
}
