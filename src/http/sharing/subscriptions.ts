import type { ExecutionArgs } from 'graphql'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { PriceSink } from '../../stream/price-seat.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import type { MessageProducer, MessageWriter, RenderedUpdate } from '../connections/message-writer.ts'
import { ByteSlabs } from './byte-slabs.ts'
import { RenderedPriceCache, SharedExecution, type SharedExecutionOptions } from './execution.ts'
import type { SharedOperation } from './operation.ts'

/** How many updates of a subscription may be executing at a time, where the selection has to wait for something. */
const maxExecuting = 32

/** Is told of the end of a subscription. An object rather than a function: there are as many as clients. */
export interface EndListener {
  ended(): void
}

/** A client's subscription before its first event. */
export interface NewSubscriber {
  readonly operation: SharedOperation
  /** Their context serves all clients of the viewer. */
  readonly args: ExecutionArgs
  /** Subscriptions of different viewers are not shared. */
  readonly viewer: string
  readonly subscription: PriceSubscription
  readonly writer: MessageWriter
  /** The client's own id of its subscription. */
  readonly id: string
  readonly onEnd: EndListener
}

/** The bytes before the payload of each message. They live as long as their subscribers, each for its own time. */
const prefixes = new ByteSlabs(4096)

/** Subscribers whose updates look the same. */
interface Group {
  readonly key: string
  readonly execution: SharedExecution
  size: number
}

/**
 * Executes an update once for all subscriptions that show it alike: those with the same document, operation and viewer,
 * and the same variables where the selection uses them. Each subscription keeps its own symbols and its own progress.
 */
export class SharedSubscriptions {
  readonly #options: SharedExecutionOptions
  readonly #groups = new Map<string, Group>()
  readonly #cache = new RenderedPriceCache()

  constructor(options: SharedExecutionOptions) {
    this.#options = options
  }

  /** How many executions there are for each update. */
  get size(): number {
    return this.#groups.size
  }

  /** From now on the writer sends the updates of the subscription, until the subscription or the client ends it. */
  join({ operation, args, viewer, subscription, writer, id, onEnd }: NewSubscriber): Subscriber {
    const given = args.variableValues ?? {}
    const variables = operation.variables.map((name) => (Object.hasOwn(given, name) ? [given[name]] : []))
    const key = JSON.stringify([operation.text, args.operationName ?? null, variables, viewer])
    const group = this.#groups.get(key) ?? {
      key,
      execution: new SharedExecution(args, this.#options, this.#cache),
      size: 0,
    }
    this.#groups.set(key, group)
    group.size += 1
    const source = args.document.loc?.source.body ?? ''
    const subscriber = new Subscriber({ id, source, group, writer, subscription, onEnd, leave: this.#leave })
    subscription.pipe(subscriber)
    return subscriber
  }

  /** One function for all subscribers: there are as many of them as clients. */
  readonly #leave = (group: Group): void => {
    group.size -= 1
    if (group.size === 0) this.#groups.delete(group.key)
  }
}

interface SubscriberOptions {
  readonly id: string
  /** The document as the client has written it. */
  readonly source: string
  readonly group: Group
  readonly writer: MessageWriter
  readonly subscription: PriceSubscription
  readonly onEnd: EndListener
  readonly leave: (group: Group) => void
}

/** One subscription of a client: takes its price updates, and has the writer send them as its group renders them. */
export class Subscriber implements PriceSink, MessageProducer {
  // Fields that every update reads come first: for thousands of subscribers nearly every read is a cache miss.
  readonly prefix: Buffer
  readonly #writer: MessageWriter
  readonly #group: Group
  readonly #source: string
  /** How many updates are executing; the promise settles when the last of them, and so all before it, are done. */
  #executing = 0
  #lastDone: Promise<void> | undefined
  /**
   * An executing update could not be sent. The updates that execute behind it are not sent either, to keep the order.
   */
  #isSkipping = false
  readonly #subscription: PriceSubscription
  readonly #onEnd: EndListener
  readonly #leave: (group: Group) => void
  #state: 'open' | 'returned' | 'ended' = 'open'

  constructor({ id, source, group, writer, subscription, onEnd, leave }: SubscriberOptions) {
    this.prefix = prefixes.bytesOf(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    // The group's copy of an equal text, so that the client's own can be collected.
    this.#source = source === group.execution.source ? group.execution.source : source
    this.#group = group
    this.#writer = writer
    this.#subscription = subscription
    this.#onEnd = onEnd
    this.#leave = leave
  }

  take(update: PriceUpdate): boolean {
    if (this.#writer.needsDrain) {
      this.#writer.resumeOnDrain(this)
      return false
    }
    if (this.#executing === maxExecuting || this.#isSkipping) return false
    const rendered = this.#group.execution.rendered(update, this.#source)
    if (this.#executing === 0 && !(rendered instanceof Promise)) this.#writer.send(this, rendered)
    else this.#sendWhenDone(update, rendered)
    return true
  }

  resume(): void {
    if (this.#state === 'open' && !this.#isSkipping) this.#subscription.resume()
  }

  /** The subscription has ended. */
  end(): void {
    if (this.#state === 'returned') this.#writer.discard(this)
    else this.#writer.writeAll()
    this.#state = 'ended'
    this.#leave(this.#group)
    this.#onEnd.ended()
  }

  /** The client ends its subscription: messages that wait are not sent any more. */
  return(): void {
    if (this.#state !== 'open') return
    this.#state = 'returned'
    void this.#subscription.return()
  }

  #sendWhenDone(update: PriceUpdate, rendered: RenderedUpdate | Promise<RenderedUpdate>): void {
    this.#executing += 1
    const before = this.#lastDone ?? Promise.resolve()
    this.#lastDone = before.then(() => rendered).then((rendered) => this.#done(update, rendered))
  }

  #done(update: PriceUpdate, rendered: RenderedUpdate): void {
    this.#executing -= 1
    if (this.#state !== 'open') return
    if (this.#isSkipping || this.#writer.needsDrain) {
      this.#subscription.lost(update)
      this.#isSkipping = this.#executing > 0
    } else {
      this.#writer.send(this, rendered)
    }
    if (this.#writer.needsDrain) this.#writer.resumeOnDrain(this)
    else this.resume()
  }
}
