import {
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type GraphQLError,
  validateSubscriptionArgs,
} from 'graphql'
import type { PriceUpdate } from '../domain/price-update.ts'
import { newestOfEachSymbol, type PriceSubscription } from '../stream/price-subscription.ts'
import type { SharedOperation } from './shared-operations.ts'
import type { Rendered, SocketWriter, Stream } from './socket-writer.ts'

/** How many updates wait for an execution that takes its time before only the newest of each symbol is kept. */
const maxHeld = 256

/** What can be said of a subscription before its first event. */
export interface Joining {
  readonly operation: SharedOperation
  readonly args: ExecutionArgs
  /** Subscriptions of different viewers are not shared. */
  readonly viewer: string
  readonly subscription: PriceSubscription
  readonly writer: SocketWriter
  /** The client's name for its subscription. */
  readonly id: string
}

export interface SharedOptions {
  /** A context that belongs to no client. */
  readonly createContext: () => Promise<unknown>
  readonly mask: (error: unknown) => GraphQLError
  /** So many updates were left out for newer ones. */
  readonly conflated: (count: number) => void
}

/**
 * Executes an update once for all subscriptions that show it alike: those of one document, operation and viewer, with the same
 * variables where the selection uses them. Which symbols each wants, and what it has seen, goes by its own subscription.
 */
export class SharedSubscriptions {
  readonly #options: SharedOptions
  readonly #groups = new Map<string, Group>()

  constructor(options: SharedOptions) {
    this.#options = options
  }

  /** How many different ones there are. */
  get size(): number {
    return this.#groups.size
  }

  /** An iterable that has no events of its own, since they go to the writer, and ends with the subscription. */
  async join({ operation, args, viewer, subscription, writer, id }: Joining): Promise<PipedEvents> {
    const given = args.variableValues ?? {}
    const variables = operation.variables.map((name) => (Object.hasOwn(given, name) ? [given[name]] : []))
    const key = JSON.stringify([operation.text, args.operationName ?? null, variables, viewer])
    const group = await this.#group(key, args)
    const member = new Member(id, group, writer)
    const events = new PipedEvents(() => {
      // The client has left: what is under way is no longer wanted.
      writer.drop(member)
      void subscription.return()
    })
    group.members += 1
    subscription.pipe({
      update: (update) => member.update(update),
      end: () => {
        if (!events.isReturned) writer.flush()
        member.hasEnded = true
        group.members -= 1
        if (group.members === 0) this.#groups.delete(key)
        events.end()
      },
    })
    return events
  }

  async #group(key: string, args: ExecutionArgs): Promise<Group> {
    const known = this.#groups.get(key)
    if (known) return known
    const contextValue = await this.#options.createContext()
    const validated = validateSubscriptionArgs({ ...args, contextValue })
    if (!('schema' in validated)) throw new Error('what was executed before cannot be executed again')
    const group = new Group((update) => executeSubscriptionEvent({ ...validated, rootValue: update }), this.#options)
    // Another one may have come while the context was made.
    const first = this.#groups.get(key)
    if (first) return first
    this.#groups.set(key, group)
    return group
  }
}

/** What graphql-ws waits for while events go past it. */
export class PipedEvents implements AsyncIterableIterator<ExecutionResult> {
  isReturned = false
  readonly #ended = Promise.withResolvers<void>()
  readonly #onReturn: () => void

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  end(): void {
    this.#ended.resolve()
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    await this.#ended.promise
    return { value: undefined, done: true }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    if (!this.isReturned) {
      this.isReturned = true
      this.#onReturn()
      this.end()
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

class Group {
  members = 0
  readonly #execute: (update: PriceUpdate) => ExecutionResult | Promise<ExecutionResult>
  readonly #options: SharedOptions
  #last: Rendered | undefined
  #isBusy = false
  readonly #waiting = new Set<Member>()

  constructor(execute: (update: PriceUpdate) => ExecutionResult | Promise<ExecutionResult>, options: SharedOptions) {
    this.#execute = execute
    this.#options = options
  }

  /** The update as it is shown; null: that is not known at once, and the member is told to go on when it may be. */
  rendered(update: PriceUpdate, member: Member): Rendered | null {
    if (this.#last?.update === update) return this.#last
    if (this.#isBusy) {
      this.#waiting.add(member)
      return null
    }
    const result = this.#execute(update)
    if (!(result instanceof Promise)) return this.#render(update, result)
    this.#isBusy = true
    this.#waiting.add(member)
    void result.then((result) => {
      this.#render(update, result)
      this.#isBusy = false
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const member of waiting) member.goOn()
    })
    return null
  }

  conflated(count: number): void {
    this.#options.conflated(count)
  }

  #render(update: PriceUpdate, { errors, ...result }: ExecutionResult): Rendered {
    const shown = errors ? { ...result, errors: errors.map((error) => this.#options.mask(error).toJSON()) } : result
    this.#last = { update, payload: Buffer.from(`${JSON.stringify(shown)}}`) }
    return this.#last
  }
}

/** One subscription of a client. */
export class Member implements Stream {
  readonly prefix: Buffer
  hasEnded = false
  readonly #group: Group
  readonly #writer: SocketWriter
  /** What can't go out yet, oldest first. */
  #held: PriceUpdate[] = []
  #compactBeyond = maxHeld
  #wasBehind = false

  constructor(id: string, group: Group, writer: SocketWriter) {
    this.prefix = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    this.#group = group
    this.#writer = writer
  }

  update(update: PriceUpdate): void {
    if (this.#held.length > 0 || this.#writer.isBehind) {
      this.hold([update])
      return
    }
    const rendered = this.#group.rendered(update, this)
    if (rendered) this.#writer.send(this, rendered)
    else this.#held.push(update)
  }

  /** For later, when the writer or the group says that it may go on. */
  hold(updates: readonly PriceUpdate[]): void {
    for (const update of updates) this.#held.push(update)
    if (this.#writer.isBehind) {
      this.#wasBehind = true
      this.#writer.tellWhenDrained(this)
    }
    if (this.#held.length > this.#compactBeyond) this.#compact()
  }

  /** Sends what is held, as far as that goes. A reader that was behind gets the newest only. */
  goOn(): void {
    if (this.hasEnded) return
    if (this.#wasBehind) this.#compact()
    this.#wasBehind = false
    const held = this.#held
    this.#held = []
    for (const [i, update] of held.entries()) {
      const rendered = this.#writer.isBehind ? null : this.#group.rendered(update, this)
      if (rendered) {
        this.#writer.send(this, rendered)
        continue
      }
      this.hold(held.slice(i))
      return
    }
  }

  #compact(): void {
    const kept = newestOfEachSymbol(this.#held)
    this.#group.conflated(this.#held.length - kept.length)
    this.#held = kept
    // Rarer where there are many symbols: it looks at all that is held.
    this.#compactBeyond = Math.max(maxHeld, 2 * kept.length)
  }
}
