import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { type Reader, StandingReaders } from '../connections/stalled-readers.ts'
import { frameHeaderBytes, maxReusedFrame, ReusedFrame, writeFrame } from './frames.ts'

/** What arrives for a socket within so long after a write leaves with the next, under load. */
const gatherMs = 5
/** With so large a share of the time spent on writing, even what could leave at once is gathered, and for longer. */
const busyShare = 0.7
const gatherBusyMs = 20
const busyWindowMs = 200
/** How much is gathered for a socket before it has to leave, in bytes: and so much more waits in the socket itself. */
const maxGathered = 64 * 1024

/** A message without its prefix, and what it says. */
export interface Rendered {
  readonly update: PriceUpdate
  readonly payload: Buffer
}

/** What is sent to a socket again and again. */
export interface Stream {
  /** The bytes of each message before its payload. */
  readonly prefix: Buffer
  /** More can be sent. */
  goOn(): void
}

/** What a writer writes to. */
export interface Line extends Reader {
  readonly webSocket: Pick<WebSocket, 'readyState'>
}

export interface WriterCounts {
  written(messages: number, bytes: number, newest: PriceUpdate): void
}

/** When the sockets of a process are written to. */
export class WriteSchedule {
  readonly counts: WriterCounts
  readonly standing = new StandingReaders()
  readonly frame = new ReusedFrame()
  readonly #dirty = new Set<SocketWriter>()
  #timer: NodeJS.Timeout | undefined
  /** The share of the time that was spent on writing in the last window, and what that of the present one is reckoned from. */
  #busy = 0
  #windowStartMs = performance.now()
  #writingMs = 0
  #spellStartMs: number | undefined

  constructor(counts: WriterCounts) {
    this.counts = counts
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
 * Writes the messages of streams to one WebSocket, past ws: a message on a quiet socket leaves at once; what arrives within a
 * few milliseconds of that leaves together, each message a frame of its own. ws' own messages go between, whole. What the reader
 * does not take waits: two writes in the socket and one here at most. While it is so far behind, nothing more is taken on;
 * streams are told when they may go on.
 */
export class SocketWriter {
  // What each update looks at comes first and is at hand, not to be looked for elsewhere: for thousands of sockets nearly each
  // look is a cache miss.
  readonly #schedule: WriteSchedule
  readonly #socket: Socket
  readonly #webSocket: Line['webSocket']
  /** Whole milliseconds: others would be an object of their own. */
  #writtenMs = -gatherMs
  /** Of what waits to be written. */
  #bytes = 0
  /** Streams that wait for the reader; undefined: it keeps up. */
  #waiting: Set<Stream> | undefined
  /** What waits to be written: two places for each message. */
  #streams: Stream[] = []
  #rendered: Rendered[] = []
  readonly #line: Line

  constructor(line: Line, schedule: WriteSchedule) {
    this.#line = line
    this.#schedule = schedule
    this.#socket = line.socket
    this.#webSocket = line.webSocket
    line.socket.on('drain', () => this.#drained())
    // once() would keep three objects more.
    line.socket.on('close', () => this.#stop())
  }

  /** Whether the reader takes less than it is sent: then nothing may be sent. */
  get isBehind(): boolean {
    return this.#waiting !== undefined
  }

  /** Whether a message would leave at once, as far as can be told from the socket alone. */
  get isReady(): boolean {
    const socket = this.#socket
    return this.#bytes === 0 && this.#webSocket.readyState === WebSocket.OPEN && socket.writableLength === 0
  }

  tellWhenDrained(stream: Stream): void {
    this.#waiting?.add(stream)
  }

  send(stream: Stream, rendered: Rendered): void {
    const bytes = stream.prefix.length + rendered.payload.length
    const mayWrite = this.#bytes === 0 && this.#mayWriteAtOnce()
    if (mayWrite && bytes + frameHeaderBytes(bytes) <= maxReusedFrame) {
      this.#write(this.#schedule.frame.of(stream.prefix, rendered.payload), 1, rendered)
      return
    }
    this.#streams.push(stream)
    this.#rendered.push(rendered)
    this.#bytes += bytes
    if (mayWrite || this.#bytes > maxGathered) this.flush()
    // Others wait already, for the time or for the reader.
    else if (this.#streams.length === 1) this.#schedule.gather(this)
  }

  /** Writes what waits, where the reader has taken enough of what was written before. */
  flush(): void {
    if (this.#takesMore()) this.writeAll()
    else if (this.#bytes > maxGathered) this.#waiting ??= new Set()
  }

  /** Writes what waits: something else is to come after it. */
  writeAll(): void {
    if (this.#bytes === 0) return
    const [streams, rendered] = [this.#streams, this.#rendered]
    this.#forget()
    this.#write(joined(streams, rendered), streams.length, rendered.at(-1) as Rendered)
  }

  #mayWriteAtOnce(): boolean {
    const schedule = this.#schedule
    return schedule.nowMs - this.#writtenMs >= gatherMs && schedule.mayWriteAtOnce && this.#takesMore()
  }

  #takesMore(): boolean {
    const socket = this.#socket
    return socket.writableLength < socket.writableHighWaterMark
  }

  #write(bytes: Buffer, messages: number, newest: Rendered): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    const socket = this.#socket
    this.#schedule.counts.written(messages, bytes.length, newest.update)
    socket.write(bytes)
    this.#writtenMs = this.#schedule.nowMs
    if (socket.writableLength === 0) return
    this.#schedule.frame.keep()
    this.#schedule.standing.watch(this.#line)
  }

  /** Forgets what waits of a stream. */
  drop(stream: Stream): void {
    this.#waiting?.delete(stream)
    const kept = this.#streams.flatMap((each, i) => (each === stream ? [] : i))
    if (kept.length === this.#streams.length) return
    const [streams, rendered] = [this.#streams, this.#rendered]
    this.#forget()
    for (const i of kept) {
      this.#streams.push(streams[i] as Stream)
      this.#rendered.push(rendered[i] as Rendered)
      this.#bytes += (streams[i] as Stream).prefix.length + (rendered[i] as Rendered).payload.length
    }
  }

  #drained(): void {
    const streams = [...(this.#waiting ?? [])]
    this.#waiting = undefined
    this.flush()
    for (const [i, stream] of streams.entries()) {
      if (this.isBehind) {
        this.#waitFirst(streams.slice(i))
        return
      }
      stream.goOn()
    }
  }

  /** Those that have had no turn come before those that have. */
  #waitFirst(streams: readonly Stream[]): void {
    this.#waiting = new Set([...streams, ...(this.#waiting ?? [])])
  }

  #forget(): void {
    this.#streams = []
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
function joined(streams: readonly Stream[], rendered: readonly Rendered[]): Buffer {
  let length = 0
  for (let i = 0; i < streams.length; i++) {
    const message = (streams[i] as Stream).prefix.length + (rendered[i] as Rendered).payload.length
    length += frameHeaderBytes(message) + message
  }
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (let i = 0; i < streams.length; i++) {
    at = writeFrame(bytes, at, (streams[i] as Stream).prefix, (rendered[i] as Rendered).payload)
  }
  return bytes
}
