import type { ExecutionArgs } from 'graphql'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { PriceSink } from '../../stream/price-seat.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import type { MessageProducer, MessageWriter, RenderedUpdate } from '../connections/message-writer.ts'
import { ByteSlabs } from './byte-slabs.ts'
import { RenderedPrices, SharedExecution, type SharedExecutionOptions } from './execution.ts'
import type { SharedOperation } from './operation.ts'

/** How many updates of a subscription are executed at a time where that can't be done at once. */
const maxUnderWay = 32

/** Is told of the end of a subscription. */
export interface EndListener {
  ended(): void
}

/** A client's subscription, before its first event. */
export interface NewSubscriber {
  readonly operation: SharedOperation
  /** With a context that is good for all clients of the viewer. */
  readonly args: ExecutionArgs
  /** Subscriptions of different viewers are not shared. */
  readonly viewer: string
  readonly subscription: PriceSubscription
  readonly writer: MessageWriter
  /** The client's name for its subscription. */
  readonly id: string
  /** An object rather than a function: there are as many as clients. */
  readonly onEnd: EndListener
}

/** They stay as long as their members, each for its own time. */
const prefixes = new ByteSlabs(4096)

interface Group {
  readonly key: string
  readonly execution: SharedExecution
  members: number
}

/**
 * Executes an update once for all subscriptions that show it alike: those of one document, operation and viewer, with the same
 * variables where the selection uses them. Which symbols each wants, and what it has seen, goes by its own subscription.
 */
export class SharedSubscriptions {
  readonly #options: SharedExecutionOptions
  readonly #groups = new Map<string, Group>()
  readonly #rendered = new RenderedPrices()

  constructor(options: SharedExecutionOptions) {
    this.#options = options
  }

  /** How many different ones there are. */
  get size(): number {
    return this.#groups.size
  }

  /** From now on the writer sends the updates of the subscription, until either side ends it. */
  join({ operation, args, viewer, subscription, writer, id, onEnd }: NewSubscriber): Subscriber {
    const given = args.variableValues ?? {}
    const variables = operation.variables.map((name) => (Object.hasOwn(given, name) ? [given[name]] : []))
    const key = JSON.stringify([operation.text, args.operationName ?? null, variables, viewer])
    const group = this.#groups.get(key) ?? {
      key,
      execution: new SharedExecution(args, this.#options, this.#rendered),
      members: 0,
    }
    this.#groups.set(key, group)
    group.members += 1
    const source = args.document.loc?.source.body ?? ''
    const member = new Subscriber({ id, source, group, writer, subscription, onEnd, leave: this.#leave })
    subscription.pipe(member)
    return member
  }

  /** One for all members: there are as many of them as clients. */
  readonly #leave = (group: Group): void => {
    group.members -= 1
    if (group.members === 0) this.#groups.delete(group.key)
  }
}

interface SubscriberOptions {
  readonly id: string
  /** The document as the client wrote it. */
  readonly source: string
  readonly group: Group
  readonly writer: MessageWriter
  readonly subscription: PriceSubscription
  readonly onEnd: EndListener
  readonly leave: (group: Group) => void
}

/** One subscription of a client: takes its price updates, and has the writer send them as its group shows them. */
export class Subscriber implements PriceSink, MessageProducer {
  // What each update looks at comes first: of thousands of members nearly each look is a cache miss.
  readonly prefix: Buffer
  readonly #writer: MessageWriter
  readonly #group: Group
  readonly #source: string
  /** Updates that are being executed, and when the last of them, and so all before it, is done. */
  #underWay = 0
  /** One that was under way could not be sent: nor may those that came after it. */
  #isLosing = false
  #lastDone: Promise<void> | undefined
  readonly #subscription: PriceSubscription
  readonly #onEnd: EndListener
  readonly #leave: (group: Group) => void
  #state: 'open' | 'returned' | 'ended' = 'open'

  constructor({ id, source, group, writer, subscription, onEnd, leave }: SubscriberOptions) {
    this.prefix = prefixes.bytesOf(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
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
    if (this.#underWay === maxUnderWay || this.#isLosing) return false
    const rendered = this.#group.execution.rendered(update, this.#source)
    if (this.#underWay === 0 && !(rendered instanceof Promise)) this.#writer.send(this, rendered)
    else this.#sendWhenDone(update, rendered)
    return true
  }

  resume(): void {
    if (this.#state === 'open' && !this.#isLosing) this.#subscription.resume()
  }

  end(): void {
    // What a client has ended is no longer wanted.
    if (this.#state === 'returned') this.#writer.discard(this)
    else this.#writer.writeAll()
    this.#state = 'ended'
    this.#leave(this.#group)
    this.#onEnd.ended()
  }

  /** The client ends its subscription: what waits for it is not sent any more. */
  return(): void {
    if (this.#state !== 'open') return
    this.#state = 'returned'
    void this.#subscription.return()
  }

  #sendWhenDone(update: PriceUpdate, rendered: RenderedUpdate | Promise<RenderedUpdate>): void {
    this.#underWay += 1
    const before = this.#lastDone ?? Promise.resolve()
    this.#lastDone = before.then(() => rendered).then((rendered) => this.#done(update, rendered))
  }

  #done(update: PriceUpdate, rendered: RenderedUpdate): void {
    this.#underWay -= 1
    if (this.#state !== 'open') return
    if (this.#isLosing || this.#writer.needsDrain) {
      this.#subscription.lost(update)
      this.#isLosing = this.#underWay > 0
    } else {
      this.#writer.send(this, rendered)
    }
    if (this.#writer.needsDrain) this.#writer.resumeOnDrain(this)
    else this.resume()
  }
}
