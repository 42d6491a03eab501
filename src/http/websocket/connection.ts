import type { Socket } from 'node:net'
import { CloseCode, type CompleteMessage, MessageType, parseMessage, type SubscribeMessage } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Caller } from '../../platform/concurrency/event-loop-turns.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Context } from '../../resolvers/context.ts'
import { longAnswers, roomForBytes } from '../../resolvers/rows.ts'
import { joined, partsOf, type UnjoinedJson, unjoined } from '../../resolvers/written-list.ts'
import { bytesInTurns, isLong, joinedInTurns, lengthOf } from '../answers/long-answer.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import { type Framing, SocketWriter, type WriterConnection, type WriteSchedule } from '../connections/socket-writer.ts'
import type { ClientOperation } from './client-operation.ts'
import { deflatingFraming, textFraming } from './frames.ts'

/** Close codes in addition to those of graphql-transport-ws: docs/protocol.md. */
export const closeCodes = { goingAway: 1001, tryAgainLater: 1013, tooSlow: 4413, internalError: 4500 }

/** With so many bytes unsent, no message is read from the client: it may not ask for more than it takes. */
const maxUnsentBytes = 1024 * 1024
/** With so many operations that have not begun or are executed, further messages wait. */
const maxBeginning = 32
/** The longest reason that a close frame can hold, in bytes of UTF-8 (RFC 6455, section 5.5). */
const maxReasonBytes = 123

const serverTypes: ReadonlySet<string> = new Set([MessageType.ConnectionAck, MessageType.Next, MessageType.Error])

/** A message that waits until some operations have been executed. */
interface HeldMessage {
  readonly text: string
  /** The operation that it begins, if it begins one. */
  readonly subscribes: string | undefined
  /** The message that completes this operation waits too. */
  isCompleted: boolean
}

export interface WebSocketConnectionOptions {
  readonly webSocket: WebSocket
  /** The TCP connection below the WebSocket. */
  readonly socket: Socket
  /** Names the client. */
  readonly client: string
  readonly schedule: WriteSchedule
  readonly metrics: LiveMetrics
  readonly log: Logger
}

/**
 * The connection of one client. graphql-ws reads and writes messages by it; price updates go past graphql-ws, by its
 * writer.
 */
export class WebSocketConnection implements WriterConnection {
  readonly protocol: string
  readonly socket: Socket
  readonly webSocket: WebSocket
  readonly framing: Framing
  /**
   * Operations that have neither begun nor failed yet, also if their client has dropped them. undefined: there are
   * none.
   */
  #beginning: Set<ClientOperation> | undefined
  readonly #schedule: WriteSchedule
  readonly #metrics: LiveMetrics
  readonly #log: Logger
  #writer: SocketWriter | undefined
  readonly #client: string
  #isPingUnanswered = false
  #isLastAnswer = false
  /** The client has to take some of what was sent to it. */
  #isFull = false
  /** undefined: no message waits. */
  #held: HeldMessage[] | undefined
  #take: (text: string) => void = () => {}

  constructor({ webSocket, socket, client, schedule, metrics, log }: WebSocketConnectionOptions) {
    this.protocol = webSocket.protocol
    this.socket = socket
    this.webSocket = webSocket
    this.framing = webSocket.extensions === '' ? textFraming : deflatingFraming
    this.#client = client
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

  /** Stands for one operation. */
  newCaller(): Caller {
    return { client: this.#client }
  }

  begin(operation: ClientOperation): void {
    this.#beginning ??= new Set()
    this.#beginning.add(operation)
  }

  /** The operation has begun or failed. */
  hasBegun(operation: ClientOperation): void {
    this.#beginning?.delete(operation)
    if (this.#beginning?.size === 0) this.#beginning = undefined
    if (this.#held) this.#takeHeld(this.#held)
  }

  /** To be called when the client has gone. graphql-ws ends operations that have begun, and only those. */
  dropBeginning(): void {
    this.#held = undefined
    for (const operation of this.#beginning ?? []) void operation.return()
  }

  get carrier(): WebSocket {
    return this.webSocket
  }

  get isOpen(): boolean {
    return this.webSocket.readyState === this.webSocket.OPEN
  }

  /** Writes to the socket past ws. */
  get writer(): SocketWriter {
    this.#writer ??= new SocketWriter(this, this.#schedule)
    return this.#writer
  }

  /**
   * Sends JSON that graphql-ws has just made of a message, at once: a client may give the id of an operation that it has
   * dropped to another one. Resolves when the system has taken the message, or the client has gone.
   */
  send(text: string): Promise<void> {
    return this.#send(joined(unjoined(text)))
  }

  /** Sends the answer of an operation unless the client drops it before. Resolves as `send` does. */
  async sendAnswer(json: UnjoinedJson, operation: ClientOperation, context: Context): Promise<void> {
    const message = isLong(json) ? await longMessage(json, context) : joined(json)
    if (operation.isDropped) return
    // Until the client has taken it, it holds room, also if the client drops the operation now.
    operation.onDropped(() => {})
    return this.#send(message)
  }

  #send(message: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return resolve()
      this.#metrics.sent()
      this.#writer?.writeAll()
      this.webSocket.send(message, { binary: false }, (error) => (error ? reject(error) : resolve()))
      const { writableLength } = this.socket
      if (writableLength > 0) this.#schedule.stalledReaders.watch(this)
      if (writableLength > maxUnsentBytes && !this.#isFull) this.#waitForDrain()
      if (this.#isLastAnswer) this.close(closeCodes.tooSlow, 'Too slow')
    })
  }

  onMessage(take: (text: string) => Promise<void>): void {
    this.#take = (text) =>
      take(text).catch((error: unknown) => {
        // The client has gone: that is no error.
        if (!this.isOpen) return
        if (isInvalid(text, error)) return this.close(CloseCode.BadRequest, 'Invalid message received')
        this.#log.warn({ err: error }, 'a WebSocket message could not be dealt with')
        this.close(closeCodes.internalError, 'Internal server error')
      })
    this.webSocket.on('message', (message) => {
      this.#metrics.received()
      const text = String(message)
      const about = this.#beginning ? operationOf(text) : undefined
      if (about?.type === MessageType.Complete) this.#complete(about.id)
      if (this.beginningCount < maxBeginning && !this.#held) {
        this.#take(text)
        return
      }
      if (!this.#held) this.webSocket.pause()
      this.#held ??= []
      const subscribes = about?.type === MessageType.Subscribe ? about.id : undefined
      this.#held.push({ text, subscribes, isCompleted: false })
    })
  }

  close(code = closeCodes.internalError, reason = ''): void {
    if (code === CloseCode.ConnectionInitialisationTimeout) this.#metrics.refused('init_timeout')
    this.#writer?.writeAll()
    // The reason may contain an id that the client has chosen, of any length.
    this.webSocket.close(code, Buffer.byteLength(reason) > maxReasonBytes ? '' : reason)
  }

  cut(): void {
    this.#metrics.refused('too_slow')
    this.webSocket.close(closeCodes.tooSlow, 'Too slow')
  }

  /**
   * Closes the socket behind the next message, which says that a client was too slow for a stream that may not leave
   * anything out.
   */
  closeWithNextAnswer(): void {
    this.#isLastAnswer = true
    this.#metrics.refused('too_slow')
  }

  /** Pings the client, and ends the connection if it has not answered the last ping. */
  ping(): void {
    // The client would not see a ping behind messages that it has not read: StalledReaders watches whether it reads. Nor
    // would its answer be seen while nothing is read from it.
    if (this.socket.writableLength > 0 || this.webSocket.isPaused) {
      this.#isPingUnanswered = false
    } else if (this.#isPingUnanswered) {
      this.#metrics.refused('ping_timeout')
      this.webSocket.terminate()
    } else if (this.isOpen) {
      this.#isPingUnanswered = true
      this.webSocket.ping()
    }
  }

  /**
   * graphql-ws does not report that a client completes an operation which has not begun. And while messages wait, it
   * would learn of it too late.
   */
  #complete(id: string): void {
    const held = this.#held?.findLast(({ subscribes }) => subscribes === id)
    if (held) held.isCompleted = true
    else this.#drop(id)
  }

  #drop(id: string): void {
    for (const operation of this.#beginning ?? []) if (operation.id === id) void operation.return()
  }

  #waitForDrain(): void {
    this.#isFull = true
    this.webSocket.pause()
    this.socket.once('drain', () => {
      this.#isFull = false
      if (!this.#held) this.webSocket.resume()
    })
  }

  #takeHeld(held: HeldMessage[]): void {
    while (this.beginningCount < maxBeginning) {
      const message = held.shift()
      if (!message) {
        this.#held = undefined
        if (!this.#isFull) this.webSocket.resume()
        return
      }
      this.#take(message.text)
      // graphql-ws has seen the operation, so that it answers an id that is taken. It is dropped before it is executed.
      if (message.isCompleted && message.subscribes !== undefined) this.#drop(message.subscribes)
    }
  }
}

/** undefined: the message is not about one operation, or it is invalid, which graphql-ws answers. */
function operationOf(text: string): CompleteMessage | SubscribeMessage | undefined {
  try {
    const message = parseMessage(text)
    return message.type === MessageType.Complete || message.type === MessageType.Subscribe ? message : undefined
  } catch {
    return undefined
  }
}

async function longMessage(json: UnjoinedJson, context: Context): Promise<Buffer> {
  const { caller } = context
  await roomForBytes(context, lengthOf(json))
  const message = await joinedInTurns(await bytesInTurns(partsOf(json), caller), caller)
  longAnswers.resize(caller, message.length)
  return message
}

/**
 * Whether a message itself is to blame that graphql-ws has parsed and then failed on: only a server may send it, or it
 * is a ping whose payload is nested too deep to be sent back.
 */
function isInvalid(text: string, error: unknown): boolean {
  const { type } = JSON.parse(text) as { type: string }
  return serverTypes.has(type) || (type === MessageType.Ping && error instanceof RangeError)
}
