import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { ExecutionArgs, ExecutionResult, GraphQLError } from 'graphql'
import { handleProtocols, makeServer, type OperationResult, type SubscribePayload } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { FinstageError } from '../domain/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Context } from '../resolvers/context.ts'
import type { PriceSubscription } from '../stream/price-subscription.ts'
import { type GraphQLHandler, graphqlPath } from './graphql.ts'
import { maskError } from './mask-error.ts'
import { sharedOperation } from './shared-operations.ts'
import { SharedSubscriptions } from './shared-subscriptions.ts'
import { SocketWriter, WriteSchedule } from './socket-writer.ts'
import { SocketLimits, type WebSocketLimits } from './websocket-limits.ts'
import { WebSocketMetrics, type WebSocketMetricsOptions } from './websocket-metrics.ts'

const closeTimeoutMs = 3000
/** Close codes beside those of the protocol: docs/protocol.md. */
const tryAgainLater = 1013
const internalError = 4500
const initTimeout = 4408
const tooSlow = 4413
/** The root field whose events are shared. */
const sharedField = 'priceUpdates'

/** What Yoga's pipeline gives for one operation. */
interface Enveloped {
  schema: ExecutionArgs['schema']
  parse: (source: string) => ExecutionArgs['document']
  validate: (schema: unknown, document: unknown) => readonly GraphQLError[]
  contextFactory: () => Promise<Context> | Context
  execute: (args: ExecutionArgs) => OperationResult
  subscribe: (args: ExecutionArgs) => OperationResult
}

/** One client. */
interface Connection {
  readonly socket: WebSocket
  /** Pings that were not answered. */
  unanswered: number
  writer: SocketWriter | undefined
}

/** What graphql-ws hands back for an operation that it was prepared for. */
type PreparedArgs = Omit<ExecutionArgs, 'rootValue'> & { rootValue: Prepared }

interface Prepared {
  readonly connection: Connection
  readonly id: string
  readonly enveloped: Enveloped
}

export interface WebSocketOptions extends Pick<WebSocketMetricsOptions, 'registry'> {
  readonly server: Server
  readonly graphql: GraphQLHandler
  readonly log: Logger
  readonly limits: WebSocketLimits
}

/**
 * Operations over graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), through Yoga's pipeline.
 * graphql-ws speaks the protocol; events of `priceUpdates` go past it, executed once for all who ask alike.
 */
export class WebSocketTransport {
  readonly #options: WebSocketOptions
  readonly #sockets: WebSocketServer
  readonly #limits: SocketLimits
  readonly #metrics: WebSocketMetrics
  readonly #schedule: WriteSchedule
  readonly #shared: SharedSubscriptions
  readonly #protocol: ReturnType<typeof makeServer<never, Connection>>
  readonly #pings: NodeJS.Timeout
  /** The connections that are pinged in the same second. */
  readonly #buckets: Set<Connection>[]
  #bucketOfNext = 0
  #turn = 0

  constructor(options: WebSocketOptions) {
    const { server, graphql, log, registry, limits } = options
    this.#options = options
    this.#sockets = new WebSocketServer({
      server,
      path: graphqlPath,
      maxPayload: limits.maxMessageBytes,
      // 43 microseconds a message and 219 KB a connection: more than all the rest.
      perMessageDeflate: false,
      handleProtocols: (protocols) => handleProtocols(protocols),
    })
    // The HTTP server reports its own errors, which ws passes on.
    this.#sockets.on('error', () => {})
    this.#sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => this.#opened(socket, request))
    this.#limits = new SocketLimits(limits)
    this.#buckets = Array.from({ length: limits.pingSeconds }, () => new Set<Connection>())
    this.#metrics = new WebSocketMetrics({
      registry,
      connections: () => this.#sockets.clients.size,
      executions: () => this.#shared.size,
    })
    this.#schedule = new WriteSchedule(this.#metrics)
    this.#shared = new SharedSubscriptions({
      createContext: async () => (graphql.getEnveloped({}) as unknown as Enveloped).contextFactory(),
      mask: (error) => maskError(error, log),
      conflated: (count) => this.#metrics.conflated(count),
    })
    this.#protocol = makeServer<never, Connection>({
      connectionInitWaitTimeout: limits.initTimeoutSeconds * 1000,
      onSubscribe: ({ extra, subscriptions }, id, payload) =>
        this.#prepare(extra, Object.keys(subscriptions).length, id, payload),
      execute: (args) => (args as PreparedArgs).rootValue.enveloped.execute(args),
      subscribe: (args) => this.#subscribe(args as PreparedArgs),
      onError: ({ extra }, _id, _payload, errors) => {
        // What may not lose anything has ended for a reader that did not take it.
        if (errors.some(isTooSlow)) extra.socket.close(tooSlow, 'Too slow')
      },
    })
    this.#pings = setInterval(() => this.#ping(), 1000).unref()
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const { log } = this.#options
    const giveBack = this.#limits.take(request.socket.remoteAddress)
    if (!giveBack) {
      this.#metrics.refused('sockets')
      socket.on('error', () => {})
      socket.close(tryAgainLater, 'Too many connections')
      return
    }
    const connection: Connection = { socket, unanswered: 0, writer: undefined }
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            connection.writer?.flush()
            socket.send(text, (error) => (error ? reject(error) : resolve()))
          }),
        close: (code, reason) => {
          if (code === initTimeout) this.#metrics.refused('init_timeout')
          socket.close(code, reason)
        },
        onMessage: (take) => {
          socket.on('message', (message) => {
            take(String(message)).catch((error: unknown) => {
              // A message that the protocol does not know, or a fault of ours; a client that has gone is neither.
              if (socket.readyState !== socket.OPEN) return
              log.warn({ err: error }, 'a WebSocket message could not be dealt with')
              socket.close(internalError, 'Internal server error')
            })
          })
        },
      },
      connection,
    )
    this.#buckets[this.#bucketOfNext]?.add(connection)
    const bucket = this.#buckets[this.#bucketOfNext]
    this.#bucketOfNext = (this.#bucketOfNext + 1) % this.#buckets.length
    socket.on('pong', () => {
      connection.unanswered = 0
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#metrics.refused('message_size')
    })
    socket.once('close', (code, reason) => {
      bucket?.delete(connection)
      giveBack()
      void closed(code, String(reason))
    })
  }

  /** Each second some, so that each has its turn once in a period. */
  #ping(): void {
    const bucket = this.#buckets[this.#turn]
    this.#turn = (this.#turn + 1) % this.#buckets.length
    for (const connection of bucket ?? []) {
      const { socket } = connection
      if (connection.unanswered > 0) {
        this.#metrics.refused('ping_timeout')
        socket.terminate()
        continue
      }
      connection.unanswered += 1
      if (socket.readyState === socket.OPEN) socket.ping()
    }
  }

  async #prepare(
    connection: Connection,
    open: number,
    id: string,
    payload: SubscribePayload,
  ): Promise<PreparedArgs | readonly GraphQLError[]> {
    const { graphql, log, limits } = this.#options
    const { socket } = connection
    try {
      if (open > limits.maxSubscriptions) {
        this.#metrics.refused('subscriptions')
        const message = `At most ${limits.maxSubscriptions} subscriptions may be open on one connection`
        throw new FinstageError('LIMIT_EXCEEDED', message)
      }
      const enveloped = graphql.getEnveloped({ socket, params: payload }) as unknown as Enveloped
      const { schema, parse, validate, contextFactory } = enveloped
      const document = parse(payload.query)
      const errors = validate(schema, document)
      if (errors.length > 0) return errors
      return {
        schema,
        document,
        ...(payload.operationName == null ? {} : { operationName: payload.operationName }),
        ...(payload.variables == null ? {} : { variableValues: payload.variables }),
        contextValue: await contextFactory(),
        rootValue: { connection, id, enveloped },
      }
    } catch (error) {
      return [maskError(error, log)]
    }
  }

  async #subscribe(prepared: PreparedArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const { connection, id, enveloped } = prepared.rootValue
    const { document, operationName, variableValues } = prepared
    const operation = sharedOperation(document, operationName ?? null, sharedField)
    const context = prepared.contextValue as Context
    let subscription: PriceSubscription | undefined
    if (operation) {
      context.onPrices = (taken) => {
        subscription = taken
      }
    }
    const events = (await enveloped.subscribe(prepared)) as AsyncIterable<ExecutionResult> | ExecutionResult
    if (!operation || !subscription || !(Symbol.asyncIterator in events)) return events
    const joined = await this.#shared.join({
      ...{ operation, subscription, id, viewer: context.viewer.id },
      args: { schema: prepared.schema, document, operationName, variableValues },
      writer: this.#writer(connection),
    })
    // graphql-ws keeps its arguments for as long as the subscription lasts: a third of what a subscriber costs in memory.
    Object.assign(prepared, { contextValue: null, rootValue: null })
    return joined
  }

  #writer(connection: Connection): SocketWriter {
    const { socket } = connection
    // Frames are written past ws, whole ones between its own. It has no public way to its socket.
    const { _socket } = socket as unknown as { _socket: Socket }
    connection.writer ??= new SocketWriter(_socket, this.#schedule, () => socket.terminate())
    return connection.writer
  }

  /** Closes every socket with 1001 (going away); cuts those whose client has not answered after three seconds. */
  async stop(): Promise<void> {
    clearInterval(this.#pings)
    const deadline = setTimeout(() => {
      for (const client of this.#sockets.clients) client.terminate()
    }, closeTimeoutMs)
    for (const client of this.#sockets.clients) client.close(1001, 'Going away')
    await new Promise((resolve) => this.#sockets.close(resolve))
    clearTimeout(deadline)
  }
}

const isTooSlow = ({ extensions }: GraphQLError): boolean => extensions.code === 'LIMIT_EXCEEDED'
