import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'
import { SocketWriter, type WriterConnection, type WriteSchedule } from '../connections/socket-writer.ts'
import type { EndListener, NewSubscriber, SharedSubscriptions } from '../sharing/subscriptions.ts'

export interface SharedStreamOptions {
  readonly response: ServerResponse
  readonly connection: WriterConnection
  readonly schedule: WriteSchedule
  readonly shared: SharedSubscriptions
  readonly subscriber: Pick<NewSubscriber, 'operation' | 'args' | 'subscription' | 'cost'>
}

const done = { value: undefined, done: true } as const

/**
 * A stream of prices, as Yoga sees it: it yields nothing and ends with the subscription. Its events are executed once for
 * all who are shown the same, and go into the response past Yoga, which writes the head, the signs of life and the end.
 */
export class SharedStream implements AsyncIterableIterator<ExecutionResult>, EndListener {
  readonly #options: SharedStreamOptions
  readonly #end = Promise.withResolvers<typeof done>()
  #writer: SocketWriter | undefined
  #isOver = false
  /** Ends it from the client's side. */
  #leave: () => void

  constructor(options: SharedStreamOptions) {
    this.#options = options
    this.#leave = () => void options.subscriber.subscription.return()
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    if (!this.#writer) await this.#begin()
    return this.#end.promise
  }

  /** The subscription has ended. */
  ended(): void {
    this.#isOver = true
    this.#writer?.close()
    this.#end.resolve(done)
  }

  return(): Promise<IteratorResult<ExecutionResult>> {
    this.#isOver = true
    this.#leave()
    this.#end.resolve(done)
    return this.#end.promise
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Yoga asks for the first event before it has written the head. */
  async #begin(): Promise<void> {
    const { response, connection, schedule, shared, subscriber } = this.#options
    while (!response.headersSent && !response.closed && !this.#isOver) await nextTurn()
    if (response.closed || this.#isOver) return
    response.flushHeaders()
    const writer = new SocketWriter(connection, schedule)
    this.#writer = writer
    const joined = shared.join({ ...subscriber, writer, id: '', onEnd: this })
    this.#leave = () => joined.return()
  }
}
