import type { ExecutionArgs } from 'graphql'
import type { Registry } from 'prom-client'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { cacheBytes, seriesOfGauge } from '../../platform/metrics.ts'
import { anyViewer, type Context } from '../../resolvers/context.ts'
import { PriceBatches } from '../../stream/price-batches.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import type { Sink } from '../../stream/seats/price-seat.ts'
import type { MessageProducer, MessageWriter, RenderedUpdate } from '../connections/message-writer.ts'
import { BatchExecution, RenderedBatchCache } from './batch-execution.ts'
import { ByteSlabs } from './byte-slabs.ts'
import { RenderedPriceCache, SharedExecution } from './execution.ts'
import type { ExecutorOptions } from './executor.ts'
import { executionName, type SharedOperation } from './operation.ts'

/** How many events of a subscription may be executing at a time, where the selection has to wait for something. */
const maxExecuting = 32

/** Is told of the end of a subscription. An object rather than a function: there are as many as clients. */
export interface EndListener {
  ended(): void
}

/** A client's subscription before its first event. */
export interface NewSubscriber {
  readonly operation: SharedOperation
  /** Its context serves all clients of its viewer, so it holds nothing of one client. */
  readonly args: ExecutionArgs & { readonly contextValue: Pick<Context, 'viewer'> & Partial<Pick<Context, 'priced'>> }
  readonly subscription: PriceSubscription | PriceBatches
  readonly writer: MessageWriter
  /** The client's own id of its subscription. */
  readonly id: string
  readonly onEnd: EndListener
  /** What its first event tells that it costs; null: nothing. */
  readonly cost: object | null
}

/** The bytes before the payload of each message. They live as long as their subscribers, each for its own time. */
const prefixes = new ByteSlabs(4096)

/** Where the events of a subscription come from: single updates, or batches. */
interface Source<Event> {
  pipe(sink: Sink<Event>): void
  resume(): void
  lost(event: Event): void
  return(): unknown
}

/** Renders each event once for all who are shown it alike. */
interface Execution<Event> {
  /** The document as the first of them has written it. */
  readonly source: string
  rendered(event: Event, source: string): RenderedUpdate | Promise<RenderedUpdate>
}

/** Subscribers whose events look the same. */
interface Group<Event> {
  readonly key: string
  readonly execution: Execution<Event>
  /** Where what is sent to them is counted. */
  readonly priced: Context['priced'] | undefined
  size: number
}

/**
 * Executes an update once for all subscriptions that show it alike: those with the same document and operation, the
 * same variables where the selection uses them, and the same viewer where it tells viewers apart. Each subscription
 * keeps its own symbols and its own progress.
 */
export class SharedSubscriptions {
  readonly #options: ExecutorOptions
  readonly #groups = new Map<string, Group<never>>()
  readonly #updates = new RenderedPriceCache()
  readonly #batches = new RenderedBatchCache()

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  register(registry: Registry): void {
    seriesOfGauge(registry, cacheBytes, 'shown_prices', () => this.#updates.bytes)
    seriesOfGauge(registry, cacheBytes, 'price_batches', () => this.#batches.bytes)
  }

  /** How many executions there are for each update. */
  get size(): number {
    return this.#groups.size
  }

  /** From now on the writer sends the updates of the subscription, until the subscription or the client ends it. */
  join(subscriber: NewSubscriber): Subscriber<PriceUpdate> | Subscriber<readonly PriceUpdate[]> {
    const { operation, subscription } = subscriber
    const { contextValue } = subscriber.args
    const args = operation.differsByViewer
      ? subscriber.args
      : { ...subscriber.args, contextValue: { ...contextValue, viewer: anyViewer } }
    return subscription instanceof PriceBatches
      ? this.#join(subscriber, subscription, () => new BatchExecution(args, this.#options, this.#batches))
      : this.#join(subscriber, subscription, () => new SharedExecution(args, this.#options, this.#updates))
  }

  #join<Event>(
    { operation, args, writer, id, onEnd, cost }: NewSubscriber,
    subscription: Source<Event>,
    newExecution: () => Execution<Event>,
  ): Subscriber<Event> {
    const key = executionName(operation, args)
    // The text names the root field, and so the kind of events.
    const known = this.#groups.get(key) as Group<Event> | undefined
    const group: Group<Event> = known ?? { key, execution: newExecution(), priced: args.contextValue.priced, size: 0 }
    this.#groups.set(key, group as Group<never>)
    group.size += 1
    const source = args.document.loc?.source.body ?? ''
    const subscriber = new Subscriber({ id, source, group, writer, subscription, onEnd, cost, leave: this.#leave })
    subscription.pipe(subscriber)
    return subscriber
  }

  /** One function for all subscribers: there are as many of them as clients. */
  readonly #leave = (group: Group<never>): void => {
    group.size -= 1
    if (group.size === 0) this.#groups.delete(group.key)
  }
}

interface SubscriberOptions<Event> {
  readonly id: string
  /** The document as the client has written it. */
  readonly source: string
  readonly group: Group<Event>
  readonly writer: MessageWriter
  readonly subscription: Source<Event>
  readonly onEnd: EndListener
  readonly cost: object | null
  readonly leave: (group: Group<never>) => void
}

/** One subscription of a client: takes its events, and has the writer send them as its group renders them. */
export class Subscriber<Event> implements Sink<Event>, MessageProducer {
  // Fields that every update reads come first: for thousands of subscribers nearly every read is a cache miss.
  readonly prefix: Buffer
  readonly #writer: MessageWriter
  readonly #group: Group<Event>
  readonly #source: string
  /** How many events are executing; the promise settles when the last of them, and so all before it, are done. */
  #executing = 0
  #lastDone: Promise<void> | undefined
  /**
   * An executing event could not be sent. The events that execute behind it are not sent either, to keep the order.
   */
  #isSkipping = false
  /** What the first event that is sent tells that the subscription costs; null: that was told, or is not asked for. */
  #cost: object | null
  readonly #subscription: Source<Event>
  readonly #onEnd: EndListener
  readonly #leave: (group: Group<never>) => void
  #state: 'open' | 'returned' | 'ended' = 'open'

  constructor({ id, source, group, writer, subscription, onEnd, cost, leave }: SubscriberOptions<Event>) {
    this.prefix = prefixes.bytesOf(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    // The group's copy of an equal text, so that the client's own can be collected.
    this.#source = source === group.execution.source ? group.execution.source : source
    this.#group = group
    this.#writer = writer
    this.#cost = cost
    this.#subscription = subscription
    this.#onEnd = onEnd
    this.#leave = leave
  }

  take(event: Event): boolean {
    if (this.#writer.needsDrain) {
      this.#writer.resumeOnDrain(this)
      return false
    }
    if (this.#executing === maxExecuting || this.#isSkipping) return false
    const rendered = this.#group.execution.rendered(event, this.#source)
    if (this.#executing === 0 && !(rendered instanceof Promise)) this.#send(rendered)
    else this.#sendWhenDone(event, rendered)
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
    this.#leave(this.#group as Group<never>)
    this.#onEnd.ended()
  }

  /** The client ends its subscription: messages that wait are not sent any more. */
  return(): void {
    if (this.#state !== 'open') return
    this.#state = 'returned'
    void this.#subscription.return()
  }

  #send(rendered: RenderedUpdate): void {
    this.#writer.send(this, this.#cost ? telling(this.#cost, rendered) : rendered)
    if (this.#cost) this.#cost = null
    this.#group.priced?.countDelivery()
  }

  #sendWhenDone(event: Event, rendered: RenderedUpdate | Promise<RenderedUpdate>): void {
    this.#executing += 1
    const before = this.#lastDone ?? Promise.resolve()
    this.#lastDone = before.then(() => rendered).then((rendered) => this.#done(event, rendered))
  }

  #done(event: Event, rendered: RenderedUpdate): void {
    this.#executing -= 1
    if (this.#state !== 'open') return
    if (this.#isSkipping || this.#writer.needsDrain) {
      this.#subscription.lost(event)
      this.#isSkipping = this.#executing > 0
    } else {
      this.#send(rendered)
    }
    if (this.#writer.needsDrain) this.#writer.resumeOnDrain(this)
    else this.resume()
  }
}

/** The same event for one client alone, which it tells what its subscription costs. */
function telling(cost: object, { update, payload }: RenderedUpdate): RenderedUpdate {
  const text = payload.toString()
  // The last brace closes the message.
  const told = `${text.slice(0, -2)},"extensions":${JSON.stringify({ cost })}}}`
  return { update, payload: Buffer.from(told) }
}
