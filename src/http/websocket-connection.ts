import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Logger } from '../platform/logger.ts'
import { SocketWriter, type WriteSchedule } from './socket-writer.ts'
import type { Line } from './standing-readers.ts'
import type { WebSocketMetrics } from './websocket-metrics.ts'

/** Close codes beside those of the protocol and of WebSockets: docs/protocol.md. */
export const closeCodes = { goingAway: 1001, tryAgainLater: 1013, tooSlow: 4413, internalError: 4500 }

/** With so many bytes unsent, nothing more is taken in: a client may not ask for more than it reads. */
const maxUnsent = 1024 * 1024
const initTimeout = 4408

export interface WebSocketConnectionOptions {
  readonly webSocket: WebSocket
  /** What it writes to. */
  readonly socket: Socket
  readonly schedule: WriteSchedule
  readonly metrics: WebSocketMetrics
  readonly log: Logger
}

/** One client, as graphql-ws sees it: messages in and out. */
export class WebSocketConnection implements Line {
  readonly protocol: string
  readonly socket: Socket
  /** How many operations have been asked for that have neither begun nor failed yet. */
  beginning = 0
  readonly #webSocket: WebSocket
  readonly #schedule: WriteSchedule
  readonly #metrics: WebSocketMetrics
  readonly #log: Logger
  #writer: SocketWriter | undefined
  #isPingUnanswered = false
  #isLastAnswer = false

  constructor({ webSocket, socket, schedule, metrics, log }: WebSocketConnectionOptions) {
    this.protocol = webSocket.protocol
    this.socket = socket
    this.#webSocket = webSocket
    this.#schedule = schedule
    this.#metrics = metrics
    this.#log = log
    webSocket.on('pong', () => {
      this.#isPingUnanswered = false
    })
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN
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
      this.#webSocket.send(text, (error) => (error ? reject(error) : resolve()))
      const { writableLength } = this.socket
      if (writableLength > 0) this.#schedule.standing.watch(this)
      if (writableLength > maxUnsent && !this.#webSocket.isPaused) this.#pause()
      if (this.#isLastAnswer) this.close(closeCodes.tooSlow, 'Too slow')
    })
  }

  onMessage(take: (text: string) => Promise<void>): void {
    this.#webSocket.on('message', (message) => {
      take(String(message)).catch((error: unknown) => {
        // A message that the protocol does not know, or a fault of ours; a client that has gone is neither.
        if (!this.isOpen) return
        this.#log.warn({ err: error }, 'a WebSocket message could not be dealt with')
        this.close(closeCodes.internalError, 'Internal server error')
      })
    })
  }

  close(code = closeCodes.internalError, reason = ''): void {
    if (code === initTimeout) this.#metrics.refused('init_timeout')
    this.#writer?.writeAll()
    this.#webSocket.close(code, reason)
  }

  cut(): void {
    this.#metrics.refused('too_slow')
    this.#webSocket.close(closeCodes.tooSlow, 'Too slow')
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
      this.#webSocket.terminate()
    } else if (this.isOpen) {
      this.#isPingUnanswered = true
      this.#webSocket.ping()
    }
  }

  #pause(): void {
    this.#webSocket.pause()
    this.socket.once('drain', () => this.#webSocket.resume())
  }
}
