import type { Socket } from 'node:net'
import { CloseCode, MessageType, parseMessage } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../../platform/logger.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import type { ClientOperation } from './client-operation.ts'
import { SocketWriter, type WriterConnection, type WriteSchedule } from './writer.ts'

/** Close codes beside those of the protocol and of WebSockets: docs/protocol.md. */
export const closeCodes = { goingAway: 1001, tryAgainLater: 1013, tooSlow: 4413, internalError: 4500 }

/** With so many bytes unsent, nothing more is taken in: a client may not ask for more than it reads. */
const maxUnsent = 1024 * 1024
/** Bytes of UTF-8 that WebSockets leave for the reason of a close. */
const maxReasonBytes = 123

const serverTypes: ReadonlySet<string> = new Set([MessageType.ConnectionAck, MessageType.Next, MessageType.Error])

export interface WebSocketConnectionOptions {
  readonly webSocket: WebSocket
  /** What it writes to. */
  readonly socket: Socket
  readonly schedule: WriteSchedule
  readonly metrics: LiveMetrics
  readonly log: Logger
}

/** One client, as graphql-ws sees it: messages in and out. */
export class WebSocketConnection implements WriterConnection {
  readonly protocol: string
  readonly socket: Socket
  readonly webSocket: WebSocket
  /** Operations that have neither begun nor failed yet, those included that were dropped meanwhile. undefined: none. */
  #beginning: Set<ClientOperation> | undefined
  readonly #schedule: WriteSchedule
  readonly #metrics: LiveMetrics
  readonly #log: Logger
  #writer: SocketWriter | undefined
  #isPingUnanswered = false
  #isLastAnswer = false

  constructor({ webSocket, socket, schedule, metrics, log }: WebSocketConnectionOptions) {
    this.protocol = webSocket.protocol
    this.socket = socket
    this.webSocket = webSocket
    this.#schedule = schedule
    this.#metrics = metrics
    this.#log = log
    webSocket.on('pong', () => {
      this.#isPingUnanswered = false
    })
  }

  get beginningCount(): number {
    return this.#beginning?.size ?? 0
  }

  begin(operation: ClientOperation): void {
    this.#beginning ??= new Set()
    this.#beginning.add(operation)
  }

  /** The operation has begun or failed. */
  hasBegun(operation: ClientOperation): void {
    this.#beginning?.delete(operation)
    if (this.#beginning?.size === 0) this.#beginning = undefined
  }

  /** The client has gone: graphql-ws ends what has begun, and knows nothing of what has not. */
  dropBeginning(): void {
    for (const operation of this.#beginning ?? []) void operation.return()
  }

  get isOpen(): boolean {
    return this.webSocket.readyState === this.webSocket.OPEN
  }

  /** What writes to the socket past ws. */
  get writer(): SocketWriter {
    this.#writer ??= new SocketWriter(this, this.#schedule)
    return this.#writer
  }

  /** Resolves when the system has taken the message, or nobody wants it any more. */
  send(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return resolve()
      this.#writer?.writeAll()
      this.webSocket.send(text, (error) => (error ? reject(error) : resolve()))
      const { writableLength } = this.socket
      if (writableLength > 0) this.#schedule.stalledReaders.watch(this)
      if (writableLength > maxUnsent && !this.webSocket.isPaused) this.#pause()
      if (this.#isLastAnswer) this.close(closeCodes.tooSlow, 'Too slow')
    })
  }

  onMessage(take: (text: string) => Promise<void>): void {
    this.webSocket.on('message', (message) => {
      const text = String(message)
      if (this.#beginning) this.#dropCompleted(this.#beginning, text)
      take(text).catch((error: unknown) => {
        // A client that has gone is no fault.
        if (!this.isOpen) return
        if (isInvalid(text, error)) return this.close(CloseCode.BadRequest, 'Invalid message received')
        this.#log.warn({ err: error }, 'a WebSocket message could not be dealt with')
        this.close(closeCodes.internalError, 'Internal server error')
      })
    })
  }

  close(code = closeCodes.internalError, reason = ''): void {
    if (code === CloseCode.ConnectionInitialisationTimeout) this.#metrics.refused('init_timeout')
    this.#writer?.writeAll()
    // It may have an id of the client in it.
    this.webSocket.close(code, Buffer.byteLength(reason) > maxReasonBytes ? '' : reason)
  }

  cut(): void {
    this.#metrics.refused('too_slow')
    this.webSocket.close(closeCodes.tooSlow, 'Too slow')
  }

  /** The next message says that a stream has ended which may not leave anything out: with it the socket is closed. */
  closeWithNextAnswer(): void {
    this.#isLastAnswer = true
    this.#metrics.refused('too_slow')
  }

  /** Asks whether the client is there; ends the connection where it has not answered the last time. */
  ping(): void {
    // Behind what it has not read yet it could not see it. Whether it reads at all is seen elsewhere.
    if (this.socket.writableLength > 0) {
      this.#isPingUnanswered = false
    } else if (this.#isPingUnanswered) {
      this.#metrics.refused('ping_timeout')
      this.webSocket.terminate()
    } else if (this.isOpen) {
      this.#isPingUnanswered = true
      this.webSocket.ping()
    }
  }

  /** Until an operation has begun, graphql-ws tells nobody that its client completes it. */
  #dropCompleted(beginning: ReadonlySet<ClientOperation>, text: string): void {
    let completed: string
    try {
      const message = parseMessage(text)
      if (message.type !== MessageType.Complete) return
      completed = message.id
    } catch {
      // graphql-ws answers messages that are invalid.
      return
    }
    for (const operation of beginning) if (operation.id === completed) void operation.return()
  }

  #pause(): void {
    this.webSocket.pause()
    this.socket.once('drain', () => this.webSocket.resume())
  }
}

/**
 * Whether a message that graphql-ws has read, but could not deal with, is itself to blame: it is one that only a server sends, or
 * a ping with what is nested too deep to be sent back.
 */
function isInvalid(text: string, error: unknown): boolean {
  const { type } = JSON.parse(text) as { type: string }
  return serverTypes.has(type) || (type === MessageType.Ping && error instanceof RangeError)
}
