import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Context } from '../../resolvers/context.ts'
import type { ClientAddresses } from '../access/client-address.ts'
import type { FullLimit, LiveConnections } from '../connections/limits.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import type { WriterConnection, WriteSchedule } from '../connections/socket-writer.ts'
import type { SocketReader } from '../connections/stalled-readers.ts'
import type { GraphQL } from '../pipeline/graphql.ts'
import type { SourceEvents, SubscribeArgs } from '../pipeline/interpreter.ts'
import { executionName, type SharedOperation, sharedOperation } from '../sharing/operation.ts'
import type { NewSubscriber, SharedSubscriptions } from '../sharing/subscriptions.ts'
import { eventFraming } from './event-framing.ts'
import { SharedStream } from './shared-stream.ts'

/** How long a client that is refused is told to wait: by then other clients may have gone. */
const retryAfterSeconds = 5

/** Answers by the limit that is reached: the server's, or that of the client's address. */
const refusals: Readonly<Record<FullLimit, { readonly status: number; readonly message: string }>> = {
  connections: { status: 503, message: 'Too many connections are open' },
  connections_of_address: { status: 429, message: 'Too many connections are open from your address' },
}

/** What Yoga adds to the context of an operation that came over HTTP. */
interface OverHttp {
  readonly req?: IncomingMessage
  readonly res?: ServerResponse
}

type Subscribed = AsyncIterable<ExecutionResult> | ExecutionResult

/** What Yoga subscribes by; with an `execution`, to the source of the events. */
type Subscribe = (args: SubscribeArgs) => Promise<Subscribed | SourceEvents>

export interface EventStreamsOptions {
  readonly connections: LiveConnections
  readonly addresses: ClientAddresses
  readonly metrics: LiveMetrics
  readonly schedule: WriteSchedule
}

/** What sharing the streams takes, which is there only when the pipeline is. */
export interface StreamSharing {
  readonly graphql: GraphQL
  readonly shared: SharedSubscriptions
}

/**
 * Counts streams over SSE, which Yoga writes, among the connections, and ends each with its response, however early
 * that closes. Events of prices go past Yoga. Cuts clients that take nothing.
 */
export class EventStreams {
  readonly #connections: LiveConnections
  readonly #addresses: ClientAddresses
  readonly #metrics: LiveMetrics
  readonly #open = new Set<SocketReader>()
  readonly #schedule: WriteSchedule
  #sharing: StreamSharing | undefined
  #timer: NodeJS.Timeout | undefined

  constructor({ connections, addresses, metrics, schedule }: EventStreamsOptions) {
    this.#schedule = schedule
    this.#connections = connections
    this.#addresses = addresses
    this.#metrics = metrics
  }

  /** How many streams are open. */
  get count(): number {
    return this.#open.size
  }

  /** Bytes that were written and that clients have not taken yet. */
  get unsentBytes(): number {
    let bytes = 0
    for (const { socket } of this.#open) bytes += socket.writableLength
    return bytes
  }

  /** From now on, streams that show the same are executed once. */
  share(sharing: StreamSharing): void {
    this.#sharing = sharing
  }

  /** Wraps the step that subscribes. */
  plugin(): Plugin {
    return {
      onSubscribe: ({ args, subscribeFn, setSubscribeFn }) => {
        const { req, res } = args.contextValue as OverHttp
        if (!req || !res) return
        setSubscribeFn((args) => this.#subscribe(req, res, args as SubscribeArgs, subscribeFn as Subscribe))
      },
    }
  }

  async #subscribe(
    request: IncomingMessage,
    response: ServerResponse,
    args: SubscribeArgs,
    subscribe: Subscribe,
  ): Promise<Subscribed> {
    const { socket } = request
    // Else nginx holds events back until they fill a buffer.
    response.setHeader('x-accel-buffering', 'no')
    const address = this.#addresses.of(request)
    const full = this.#connections.full(address)
    if (full) {
      this.#metrics.refused(full)
      return { errors: [refusal(full)] }
    }
    const reader: WriterConnection = {
      socket,
      carrier: carrierOf(response),
      framing: eventFraming,
      cut: () => {
        this.#metrics.refused('too_slow')
        socket.destroy()
      },
    }
    const giveBack = this.#connections.take(address)
    this.#open.add(reader)
    this.#timer ??= setInterval(() => this.#check(), 1000).unref()
    const context = args.contextValue as Context
    let isClosed = false
    let hasBegun = false
    let events: AsyncIterator<ExecutionResult> | undefined
    // Also called where the response has closed by now.
    finished(response, () => {
      this.#open.delete(reader)
      giveBack()
      isClosed = true
      if (hasBegun) context.holding?.giveBack()
      void events?.return?.()
    })
    const operation = mayShare(request) ? sharedOperation(args) : null
    const begun = await subscribe(operation ? { ...args, execution: executionName(operation, args) } : args)
    hasBegun = true
    if (isClosed) context.holding?.giveBack()
    const subscribed =
      operation && 'source' in begun
        ? this.#shareStream(operation, args, begun.source as NewSubscriber['subscription'], response, reader)
        : (begun as Subscribed)
    if (!(Symbol.asyncIterator in subscribed)) return subscribed
    // Yoga does not end a stream whose client has gone before it begins, nor one whose media type the client does not
    // accept.
    events = subscribed[Symbol.asyncIterator]()
    if (isClosed) await events.return?.()
    return subscribed
  }

  #shareStream(
    operation: SharedOperation,
    args: SubscribeArgs,
    subscription: NewSubscriber['subscription'],
    response: ServerResponse,
    connection: WriterConnection,
  ): SharedStream {
    if (!this.#sharing) throw new Error('streams are served once the pipeline is there')
    const { graphql, shared } = this.#sharing
    const { viewer, priced, cost } = args.contextValue as Context
    // What Yoga adds is of this client alone.
    const contextValue = Object.assign(graphql.newContext(), { viewer, priced })
    const subscriber = { operation, subscription, cost, args: { ...args, contextValue } }
    return new SharedStream({ response, connection, schedule: this.#schedule, shared, subscriber })
  }

  /** Yoga does not tell when its writes do not leave. */
  #check(): void {
    for (const reader of this.#open) if (reader.socket.writableLength > 0) this.#schedule.stalledReaders.watch(reader)
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Whether events may be written into the response past Yoga: in chunks, which HTTP/1.0 has not. */
const mayShare = ({ httpVersion }: IncomingMessage): boolean => httpVersion === '1.1'

const carrierOf = (response: ServerResponse): WriterConnection['carrier'] => ({
  get readyState() {
    return response.writable && !response.writableEnded ? 1 : 3
  },
})

function refusal(full: FullLimit): GraphQLError {
  const { status, message } = refusals[full]
  const http = { status, headers: { 'retry-after': String(retryAfterSeconds) } }
  return new GraphQLError(message, { extensions: { code: 'LIMIT_EXCEEDED', retryAfterSeconds, http } })
}
