import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FormattedExecutionResult } from 'graphql'
import { type Context, handleProtocols, makeServer } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../../platform/logger.ts'
import type { ClientAddresses } from '../access/client-address.ts'
import { bodyOf, type FrontDoor, refusalHeaders } from '../access/front-door.ts'
import type { LiveConnections, LiveLimits } from '../connections/limits.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import type { WriteSchedule } from '../connections/socket-writer.ts'
import { type GraphQL, graphqlPath } from '../pipeline/graphql.ts'
import { shownError, shownResult } from '../pipeline/mask-error.ts'
import type { SharedSubscriptions } from '../sharing/subscriptions.ts'
import type { ClientOperation } from './client-operation.ts'
import { closeCodes, WebSocketConnection } from './connection.ts'
import { WebSocketOperations } from './operations.ts'

/** How long a client may take to answer a close. */
const closeTimeoutMs = 3000

type VerifyDone = (isServed: boolean, status?: number, body?: string, headers?: Record<string, string>) => void

/**
 * The server compresses batches by itself, once for all who get them, so a message never goes by what was sent before.
 * ws compresses nothing. It keeps 44 KiB for each client that compresses what it sends.
 */
const compression = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  threshold: Number.POSITIVE_INFINITY,
}

export interface WebSocketOptions {
  readonly server: Server
  readonly graphql: GraphQL
  readonly log: Logger
  readonly limits: LiveLimits
  readonly connections: LiveConnections
  readonly frontDoor: FrontDoor
  readonly addresses: ClientAddresses
  readonly metrics: LiveMetrics
  readonly schedule: WriteSchedule
  readonly shared: SharedSubscriptions
}

/**
 * Accepts WebSockets and serves operations over graphql-transport-ws, the protocol that graphql-ws implements
 * (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
 */
export class WebSocketTransport {
  readonly #log: Logger
  readonly #server: Server
  readonly #plain: WebSocketServer
  /** For clients that ask for compression. */
  readonly #compressing: WebSocketServer
  readonly #connections: LiveConnections
  readonly #addresses: ClientAddresses
  readonly #metrics: LiveMetrics
  readonly #schedule: WriteSchedule
  readonly #protocol: ReturnType<typeof makeServer<never, WebSocketConnection>>
  readonly #pings: NodeJS.Timeout
  /** Connections by the second of the ping period in which they are pinged. */
  readonly #buckets: Set<WebSocketConnection>[]
  #nextBucket = 0
  #pingedBucket = 0

  constructor(options: WebSocketOptions) {
    const { server, graphql, log, limits, connections, frontDoor, addresses, metrics, schedule, shared } = options
    this.#log = log
    this.#addresses = addresses
    this.#server = server
    const accepting = {
      noServer: true,
      path: graphqlPath,
      maxPayload: limits.maxMessageBytes,
      // Missing in @types/ws. back-pressure.test.ts fails without it: a client that never reads again would stay for 30 s.
      ...({ closeTimeout: closeTimeoutMs } as object),
      handleProtocols: (protocols: Set<string>) => handleProtocols(protocols),
      verifyClient: ({ req }: { req: IncomingMessage }, done: VerifyDone) => {
        const refusal = frontDoor.refusalOfWebSocket(req)
        if (refusal) done(false, refusal.status, bodyOf(refusal), refusalHeaders)
        else done(true)
      },
    }
    this.#plain = new WebSocketServer({ ...accepting, perMessageDeflate: false })
    this.#compressing = new WebSocketServer({ ...accepting, perMessageDeflate: compression })
    server.on('upgrade', this.#upgrade)
    this.#connections = connections
    this.#metrics = metrics
    this.#buckets = Array.from({ length: limits.pingSeconds }, () => new Set<WebSocketConnection>())
    this.#schedule = schedule
    const { maxSubscriptions } = limits
    const operations = new WebSocketOperations({ graphql, log, metrics, shared, maxSubscriptions })
    type Args = Parameters<typeof operations.subscribe>[0]
    this.#protocol = makeServer<never, WebSocketConnection>({
      connectionInitWaitTimeout: limits.initTimeoutSeconds * 1000,
      onSubscribe: (client, id, payload) => operations.prepare(client, id, payload),
      execute: (args) => operations.execute(args as Args),
      subscribe: (args) => operations.subscribe(args as Args),
      onNext,
      onError: (_client, _id, _payload, errors) => errors.map(shownError),
    })
    this.#pings = setInterval(() => this.#ping(), 1000).unref()
  }

  /** How many WebSockets are open. */
  get count(): number {
    let count = 0
    for (const bucket of this.#buckets) count += bucket.size
    return count
  }

  /** Bytes that were written and that clients have not taken yet. */
  get unsentBytes(): number {
    let bytes = 0
    for (const bucket of this.#buckets) for (const { socket } of bucket) bytes += socket.writableLength
    return bytes
  }

  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const isWanted = /[?&]compress(?:[=&]|$)/.test(request.url ?? '')
    const isOffered = mayCompress(request.headers['sec-websocket-extensions'])
    const sockets = isWanted && isOffered ? this.#compressing : this.#plain
    sockets.handleUpgrade(request, socket, head, (webSocket) => this.#opened(webSocket, request))
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const address = this.#addresses.of(request)
    const full = this.#connections.full(address)
    if (full) {
      this.#metrics.refused(full)
      socket.on('error', () => {})
      socket.close(closeCodes.tryAgainLater, 'Too many connections')
      return
    }
    const giveBack = this.#connections.take(address)
    const connection = new WebSocketConnection({
      webSocket: socket,
      socket: request.socket,
      client: this.#addresses.clientOf(request),
      schedule: this.#schedule,
      metrics: this.#metrics,
      log: this.#log,
    })
    const closed = this.#protocol.opened(connection, connection)
    const bucket = this.#buckets[this.#nextBucket] as Set<WebSocketConnection>
    this.#nextBucket = (this.#nextBucket + 1) % this.#buckets.length
    bucket.add(connection)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#metrics.refused('message_size')
    })
    // once() would keep three more objects.
    socket.on('close', (code, reason) => {
      bucket.delete(connection)
      giveBack()
      connection.dropBeginning()
      void closed(code, String(reason))
    })
  }

  /** Called every second: pings one bucket, so that each has its turn once in a period. */
  #ping(): void {
    const bucket = this.#buckets[this.#pingedBucket] ?? []
    this.#pingedBucket = (this.#pingedBucket + 1) % this.#buckets.length
    for (const connection of bucket) connection.ping()
  }

  /** Closes every socket with 1001 (going away). Sockets whose client does not answer are cut after three seconds. */
  async stop(): Promise<void> {
    clearInterval(this.#pings)
    this.#server.off('upgrade', this.#upgrade)
    await Promise.all(
      [this.#plain, this.#compressing].map((sockets) => {
        for (const client of sockets.clients) client.close(closeCodes.goingAway, 'Going away')
        return new Promise((resolve) => sockets.close(resolve))
      }),
    )
  }
}

const parameters = new Set([
  'permessage-deflate',
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
])

/**
 * Whether ws can accept what a client offers (RFC 7692, section 5.1). It refuses the client otherwise, who can be served
 * without compression. All clients get the same bytes, so the server's window has its full size.
 */
function mayCompress(offers: string | undefined): boolean {
  const words = offers?.split(/[;,]/).map((word) => word.trim().split('=')) ?? []
  return words.every(([name = '', value]) => {
    if (!parameters.has(name)) return false
    return name !== 'server_max_window_bits' || value?.replaceAll('"', '') === '15'
  })
}

/**
 * Renders the errors of a result. An event that says of a stream which may not leave anything out that its client was
 * too slow is the last one: the socket is closed behind it. Queries, and subscriptions that have not begun, may be
 * refused with the same code: that is no reason to close.
 */
function onNext(
  { extra: connection }: Context<never, WebSocketConnection>,
  _id: string,
  _payload: unknown,
  { rootValue }: { readonly rootValue?: unknown },
  result: Parameters<typeof shownResult>[0],
): FormattedExecutionResult | undefined {
  const { errors } = result
  if (!errors) return undefined
  const isEvent = (rootValue as ClientOperation).hasEvents
  const isTooSlow = errors.some(({ path, extensions }) => path?.length === 1 && extensions.code === 'LIMIT_EXCEEDED')
  if (isEvent && isTooSlow) connection.closeWithNextAnswer()
  return shownResult(result)
}
