import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { LibraryFallbacks } from '../../platform/library-fallback.ts'
import type { ClientAddresses } from '../access/client-address.ts'
import type { FullLimit, LiveConnections } from '../connections/limits.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import { type SocketReader, StalledReaders } from '../connections/stalled-readers.ts'

/** How long a client that was refused is told to wait, in seconds: until some of the others may have gone. */
const retryAfterSeconds = 5

/** What is answered where there is no room: the server is full, or this client has too much. */
const refusals: Readonly<Record<FullLimit, { readonly status: number; readonly message: string }>> = {
  connections: { status: 503, message: 'Too many connections are open' },
  connections_of_address: { status: 429, message: 'Too many connections are open from your address' },
}

/** What Yoga's context has where an operation came over HTTP. */
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
 * Streams over SSE, which Yoga writes: each has a place among the connections for as long as its response is open, and ends with
 * it, however early that is. A reader that takes nothing is cut.
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

  /** Bytes that were written and wait in this process for their readers. */
  get unsentBytes(): number {
    let bytes = 0
    for (const { socket } of this.#open) bytes += socket.writableLength
    return bytes
  }

  /** Stands before the step that subscribes. */
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
    // nginx would gather events until they fill a buffer.
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
    this.#timer ??= setInterval(() => this.#look(), 1000).unref()
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
    // Yoga does not end a stream whose client has gone before it begins, nor one whose media type the client does not accept.
    events = subscribed[Symbol.asyncIterator]()
    if (isClosed) await events.return?.()
    return subscribed
  }

  /** Yoga does not say when what it writes does not leave. */
  #look(): void {
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
