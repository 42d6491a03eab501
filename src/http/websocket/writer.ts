import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { LibraryFallbacks } from '../../platform/library-fallback.ts'
import type { MessageProducer, MessageWriter, RenderedUpdate, WriterMetrics } from '../connections/message-writer.ts'
import { type SocketReader, StalledReaders } from '../connections/stalled-readers.ts'
import { frameHeaderBytes, maxReusedFrame, ReusedFrame, writeFrame } from './frames.ts'

/** What arrives for a socket within so long after a write leaves with the next, under load. */
const gatherMs = 5
/** With so large a share of the time spent on writing, even what could leave at once is gathered, and for longer. */
const busyShare = 0.7
const gatherBusyMs = 20
const busyWindowMs = 200
/** How much is gathered for a socket before it has to leave, in bytes: and so much more waits in the socket itself. */
const maxGathered = 64 * 1024

/** The connection that a writer writes to. */
export interface WriterConnection extends SocketReader {
  readonly webSocket: Pick<WebSocket, 'readyState'>
}

/** When the sockets of a process are written to. */
export class WriteSchedule {
  readonly metrics: WriterMetrics
  readonly stalledReaders: StalledReaders
  readonly frame = new ReusedFrame()
  readonly #dirty = new Set<SocketWriter>()
  #timer: NodeJS.Timeout | undefined
  /** The share of the time that was spent on writing in the last window, and what that of the present one is reckoned from. */
  #busy = 0
  #windowStartMs = performance.now()
  #writingMs = 0
  #spellStartMs: number | undefined

  constructor(metrics: WriterMetrics, fallbacks: Pick<LibraryFallbacks, 'report'>) {
    this.metrics = metrics
    this.stalledReaders = new StalledReaders(fallbacks)
  }

  /**
   * When the present spell of writing began, in whole milliseconds of performance.now(): the clock is read once for all sockets that
   * an update goes to. With the spell's end it is known how much of the time goes into writing.
   */
  get nowMs(): number {
    if (this.#spellStartMs === undefined) {
      this.#spellStartMs = performance.now()
      queueMicrotask(() => this.#endSpell())
    }
    return Math.trunc(this.#spellStartMs)
  }

  get mayWriteAtOnce(): boolean {
    const windowMs = this.nowMs - this.#windowStartMs
    return (windowMs < busyWindowMs ? this.#busy : this.#writingMs / windowMs) < busyShare
  }

  gather(writer: SocketWriter): void {
    this.#dirty.add(writer)
    this.#timer ??= setTimeout(() => this.#flush(), this.#busy < busyShare ? gatherMs : gatherBusyMs)
  }

  forget(writer: SocketWriter): void {
    this.#dirty.delete(writer)
  }

  #endSpell(): void {
    const nowMs = performance.now()
    this.#writingMs += nowMs - (this.#spellStartMs ?? nowMs)
    this.#spellStartMs = undefined
    const windowMs = nowMs - this.#windowStartMs
    if (windowMs < busyWindowMs) return
    this.#busy = this.#writingMs / windowMs
    this.#writingMs = 0
    this.#windowStartMs = nowMs
  }

  #flush(): void {
    this.#timer = undefined
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    for (const writer of dirty) writer.flush()
  }
}

/**
 * Writes the messages of producers to one WebSocket, past ws: a message on a quiet socket leaves at once; what arrives within a
 * few milliseconds of that leaves together, each message a frame of its own. ws' own messages go between, whole. What the reader
 * does not take waits: two writes in the socket and one here at most. While it is so far behind, nothing more is taken on;
 * producers are told when they may go on.
 */
export class SocketWriter implements MessageWriter {
  // What each update looks at comes first and is at hand, not to be looked for elsewhere: for thousands of sockets nearly each
  // look is a cache miss.
  readonly #schedule: WriteSchedule
  readonly #socket: Socket
  readonly #webSocket: WriterConnection['webSocket']
  /** Whole milliseconds: others would be an object of their own. */
  #writtenMs = -gatherMs
  /** Of what waits to be written. */
  #bytes = 0
  /** Streams that wait for the reader; undefined: it keeps up. */
  #waiting: Set<MessageProducer> | undefined
  /** What waits to be written: two places for each message. */
  #producers: MessageProducer[] = []
  #rendered: RenderedUpdate[] = []
  readonly #connection: WriterConnection

  constructor(connection: WriterConnection, schedule: WriteSchedule) {
    this.#connection = connection
    this.#schedule = schedule
    this.#socket = connection.socket
    this.#webSocket = connection.webSocket
    connection.socket.on('drain', () => this.#drained())
    // once() would keep three objects more.
    connection.socket.on('close', () => this.#stop())
  }

  /** Whether the reader takes less than it is sent: then nothing may be sent. */
  get needsDrain(): boolean {
    return this.#waiting !== undefined
  }

  /** Whether a message would leave at once, as far as can be told from the socket alone. */
  get isReady(): boolean {
    const socket = this.#socket
    return this.#bytes === 0 && this.#webSocket.readyState === WebSocket.OPEN && socket.writableLength === 0
  }

  resumeOnDrain(producer: MessageProducer): void {
    this.#waiting?.add(producer)
  }

  send(producer: MessageProducer, rendered: RenderedUpdate): void {
    const bytes = producer.prefix.length + rendered.payload.length
    const mayWrite = this.#bytes === 0 && this.#mayWriteAtOnce()
    if (mayWrite && bytes + frameHeaderBytes(bytes) <= maxReusedFrame) {
      this.#write(this.#schedule.frame.of(producer.prefix, rendered.payload), 1, rendered)
      return
    }
    this.#producers.push(producer)
    this.#rendered.push(rendered)
    this.#bytes += bytes
    if (mayWrite || this.#bytes > maxGathered) this.flush()
    // Others wait already, for the time or for the reader.
    else if (this.#producers.length === 1) this.#schedule.gather(this)
  }

  /** Writes what waits, where the reader has taken enough of what was written before. */
  flush(): void {
    if (this.#takesMore()) this.writeAll()
    else if (this.#bytes > maxGathered) this.#waiting ??= new Set()
  }

  /** Writes what waits: something else is to come after it. */
  writeAll(): void {
    if (this.#bytes === 0) return
    const [producers, rendered] = [this.#producers, this.#rendered]
    this.#forget()
    this.#write(joined(producers, rendered), producers.length, rendered.at(-1) as RenderedUpdate)
  }

  #mayWriteAtOnce(): boolean {
    const schedule = this.#schedule
    return schedule.nowMs - this.#writtenMs >= gatherMs && schedule.mayWriteAtOnce && this.#takesMore()
  }

  #takesMore(): boolean {
    const socket = this.#socket
    return socket.writableLength < socket.writableHighWaterMark
  }

  #write(bytes: Buffer, messages: number, newest: RenderedUpdate): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    const socket = this.#socket
    this.#schedule.metrics.written(messages, bytes.length, newest.update)
    socket.write(bytes)
    this.#writtenMs = this.#schedule.nowMs
    if (socket.writableLength === 0) return
    this.#schedule.frame.keep()
    this.#schedule.stalledReaders.watch(this.#connection)
  }

  /** Forgets what waits of a producer. */
  discard(producer: MessageProducer): void {
    this.#waiting?.delete(producer)
    const kept = this.#producers.flatMap((each, i) => (each === producer ? [] : i))
    if (kept.length === this.#producers.length) return
    const [producers, rendered] = [this.#producers, this.#rendered]
    this.#forget()
    for (const i of kept) {
      this.#producers.push(producers[i] as MessageProducer)
      this.#rendered.push(rendered[i] as RenderedUpdate)
      this.#bytes += (producers[i] as MessageProducer).prefix.length + (rendered[i] as RenderedUpdate).payload.length
    }
  }

  #drained(): void {
    const producers = [...(this.#waiting ?? [])]
    this.#waiting = undefined
    this.flush()
    for (const [i, producer] of producers.entries()) {
      if (this.needsDrain) {
        this.#waitFirst(producers.slice(i))
        return
      }
      producer.resume()
    }
  }

  /** Those that have had no turn come before those that have. */
  #waitFirst(producers: readonly MessageProducer[]): void {
    this.#waiting = new Set([...producers, ...(this.#waiting ?? [])])
  }

  #forget(): void {
    this.#producers = []
    this.#rendered = []
    this.#bytes = 0
  }

  #stop(): void {
    this.#schedule.forget(this)
    this.#forget()
    this.#waiting = undefined
  }
}

/** Frames one behind the other. */
function joined(producers: readonly MessageProducer[], rendered: readonly RenderedUpdate[]): Buffer {
  let length = 0
  for (let i = 0; i < producers.length; i++) {
    const message = (producers[i] as MessageProducer).prefix.length + (rendered[i] as RenderedUpdate).payload.length
    length += frameHeaderBytes(message) + message
  }
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (let i = 0; i < producers.length; i++) {
    at = writeFrame(bytes, at, (producers[i] as MessageProducer).prefix, (rendered[i] as RenderedUpdate).payload)
  }
  return bytes
}
