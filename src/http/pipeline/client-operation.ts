import type { ExecutionResult } from 'graphql'

/**
 * One operation of a client from its beginning on, which is told when the client completes it or goes away, also before there are
 * events. Over WebSocket it stands where graphql-ws keeps their stream. What is then still under way never settles: graphql-ws
 * would take it for that of a later operation to which the client has given the same id.
 */
export class ClientOperation implements AsyncIterableIterator<ExecutionResult> {
  #events: AsyncIterator<ExecutionResult> | undefined
  #isDropped = false

  get isDropped(): boolean {
    return this.#isDropped
  }

  /** Whether it is a subscription that has begun: what it answers are events. */
  get hasEvents(): boolean {
    return this.#events !== undefined
  }

  /** Its events; they are ended with it. */
  async attach(events: AsyncIterator<ExecutionResult>): Promise<void> {
    this.#events = events
    if (this.#isDropped) await events.return?.()
  }

  /** What was waited for, where it is still wanted. */
  unlessDropped<T>(promise: Promise<T>): Promise<T> {
    // An async function would keep four objects more for as long as it waits, which is as long as a shared subscription lasts.
    return promise.then((value) => (this.#isDropped ? new Promise<never>(() => {}) : value))
  }

  next(): Promise<IteratorResult<ExecutionResult>> {
    if (!this.#events) throw new Error('the operation has no events yet')
    return this.unlessDropped(this.#events.next())
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    if (!this.#isDropped) {
      this.#isDropped = true
      await this.#events?.return?.()
    }
    return { value: undefined, done: true }
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
