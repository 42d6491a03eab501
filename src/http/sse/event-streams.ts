import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import type { ClientAddresses } from '../access/client-address.ts'
import type { FullLimit, LiveConnections } from '../connections/limits.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import { type SocketReader, StalledReaders } from '../connections/stalled-readers.ts'

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

export interface EventStreamsOptions {
  readonly connections: LiveConnections
  readonly addresses: ClientAddresses
  readonly metrics: LiveMetrics
  readonly fallbacks: LibraryFallbacks
}

/**
 * Counts streams over SSE, which Yoga writes, among the connections, and ends each with its response, however early
 * that closes. Cuts clients that take nothing.
 */
export class EventStreams {
  readonly #connections: LiveConnections
  readonly #addresses: ClientAddresses
  readonly #metrics: LiveMetrics
  readonly #open = new Set<SocketReader>()
  readonly #stalledReaders: StalledReaders
  #timer: NodeJS.Timeout | undefined

  constructor({ connections, addresses, metrics, fallbacks }: EventStreamsOptions) {
    this.#stalledReaders = new StalledReaders(fallbacks)
    this.#connections = connections
    this.#addresses = addresses
    this.#metrics = metrics
  }

  /** Bytes that were written and that clients have not taken yet. */
  get unsentBytes(): number {
    let bytes = 0
    for (const { socket } of this.#open) bytes += socket.writableLength
    return bytes
  }

  /** Wraps the step that subscribes. */
  plugin(): Plugin {
    return {
      onSubscribe: ({ args, subscribeFn, setSubscribeFn }) => {
        const { req, res } = args.contextValue as OverHttp
        if (!req || !res) return
        setSubscribeFn((args) => this.#subscribe(req, res, () => subscribeFn(args) as Promise<Subscribed>))
      },
    }
  }

  async #subscribe(
    request: IncomingMessage,
    response: ServerResponse,
    subscribe: () => Promise<Subscribed>,
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
    const reader: SocketReader = {
      socket,
      cut: () => {
        this.#metrics.refused('too_slow')
        socket.destroy()
      },
    }
    const giveBack = this.#connections.take(address)
    this.#open.add(reader)
    this.#timer ??= setInterval(() => this.#check(), 1000).unref()
    let isClosed = false
    let events: AsyncIterator<ExecutionResult> | undefined
    // Also called where the response has closed by now.
    finished(response, () => {
      this.#open.delete(reader)
      giveBack()
      isClosed = true
      void events?.return?.()
    })
    const subscribed = await subscribe()
    if (!(Symbol.asyncIterator in subscribed)) return subscribed
    // Yoga does not end a stream whose client has gone before it begins, nor one whose media type the client does not
    // accept.
    events = subscribed[Symbol.asyncIterator]()
    if (isClosed) await events.return?.()
    return subscribed
  }

  /** Yoga does not tell when its writes do not leave. */
  #check(): void {
    for (const reader of this.#open) if (reader.socket.writableLength > 0) this.#stalledReaders.watch(reader)
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function refusal(full: FullLimit): GraphQLError {
  const { status, message } = refusals[full]
  const http = { status, headers: { 'retry-after': String(retryAfterSeconds) } }
  return new GraphQLError(message, { extensions: { code: 'LIMIT_EXCEEDED', retryAfterSeconds, http } })
}
