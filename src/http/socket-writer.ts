import type { Socket } from 'node:net'
import type { PriceUpdate } from '../domain/price-update.ts'
import { frameHeaderBytes, writeFrameHeader } from './websocket-frame.ts'

/** What arrives for a socket within so long after a write leaves with the next, under load. */
const gatherMs = 5
/** With so large a share of the time spent on writing, even what could leave at once is gathered. */
const busyShare = 0.5
const busyWindowMs = 50
/** How much a socket takes on before it has to be drained, in bytes. */
const maxUnsent = 64 * 1024
/** A reader that takes nothing for so long is cut. */
const standstillMs = 30_000
const sweepMs = 1000

/** A message without its prefix, and what it says. */
export interface Rendered {
  readonly update: PriceUpdate
  readonly payload: Buffer
}

/** What is sent to a socket again and again. */
export interface Stream {
  /** The bytes of each message before its payload. */
  readonly prefix: Buffer
  /** Takes back what could not be sent, oldest first. */
  hold(updates: readonly PriceUpdate[]): void
  /** More can be sent. */
  goOn(): void
}

export interface WriterCounts {
  written(messages: number, bytes: number, newest: PriceUpdate): void
  /** A reader was cut. */
  cut(): void
}

/** When the sockets of a process are written to. */
export class WriteSchedule {
  readonly counts: WriterCounts
  readonly #dirty = new Set<SocketWriter>()
  readonly #blocked = new Set<SocketWriter>()
  #timer: NodeJS.Timeout | undefined
  #sweep: NodeJS.Timeout | undefined
  /** The share of the time that was spent on writing lately, and what it is reckoned from. */
  #busy = 0
  #windowStartMs = performance.now()
  #writingMs = 0

  constructor(counts: WriterCounts) {
    this.counts = counts
  }

  get mayWriteAtOnce(): boolean {
    return this.#busy < busyShare
  }

  gather(writer: SocketWriter): void {
    this.#dirty.add(writer)
    this.#timer ??= setTimeout(() => this.#flush(), gatherMs)
  }

  /** The share of the time that goes into writing decides when to gather. */
  wrote(startedMs: number, endedMs: number): void {
    this.#writingMs += endedMs - startedMs
    const windowMs = endedMs - this.#windowStartMs
    if (windowMs < busyWindowMs) return
    this.#busy = this.#writingMs / windowMs
    this.#writingMs = 0
    this.#windowStartMs = endedMs
  }

  block(writer: SocketWriter): void {
    this.#blocked.add(writer)
    this.#sweep ??= setInterval(() => this.#cutStanding(), sweepMs).unref()
  }

  unblock(writer: SocketWriter): void {
    this.#blocked.delete(writer)
    if (this.#blocked.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  forget(writer: SocketWriter): void {
    this.#dirty.delete(writer)
    this.unblock(writer)
  }

  #flush(): void {
    this.#timer = undefined
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    for (const writer of dirty) writer.flush()
  }

  #cutStanding(): void {
    const nowMs = performance.now()
    for (const writer of [...this.#blocked]) writer.cutIfStanding(nowMs)
  }
}

/**
 * Writes the messages of streams to one WebSocket, past ws: a message on a quiet socket leaves at once; what arrives within a
 * few milliseconds of that leaves together, each message a frame of its own. While the reader is behind nothing is taken on:
 * streams hold what they have until they are told to go on. ws' own messages go between, whole.
 */
export class SocketWriter {
  readonly #socket: Socket
  readonly #schedule: WriteSchedule
  readonly #cut: () => void
  /** What waits to be written: two places for each message. */
  #streams: Stream[] = []
  #rendered: Rendered[] = []
  #bytes = 0
  #writtenMs = Number.NEGATIVE_INFINITY
  /** Streams that wait for the reader; undefined: it keeps up. */
  #waiting: Set<Stream> | undefined
  /** How much had left when that was looked at, and when it was last more than before. */
  #leftBytes = 0
  #movedMs = 0

  /** `cut` ends the connection. */
  constructor(socket: Socket, schedule: WriteSchedule, cut: () => void) {
    this.#socket = socket
    this.#schedule = schedule
    this.#cut = cut
    socket.on('drain', () => this.#drained())
    socket.once('close', () => this.#stop())
  }

  /** Whether the reader takes less than it is sent: then nothing may be sent. */
  get isBehind(): boolean {
    return this.#waiting !== undefined
  }

  tellWhenDrained(stream: Stream): void {
    this.#waiting?.add(stream)
  }

  send(stream: Stream, rendered: Rendered): void {
    this.#streams.push(stream)
    this.#rendered.push(rendered)
    this.#bytes += stream.prefix.length + rendered.payload.length
    if (this.#bytes > maxUnsent) this.flush()
    else if (this.#streams.length > 1) return
    else if (this.#schedule.mayWriteAtOnce && performance.now() - this.#writtenMs >= gatherMs) this.flush()
    else this.#schedule.gather(this)
  }

  /** Writes what waits, where the reader has taken enough of what was written before. */
  flush(): void {
    if (this.#streams.length === 0) return
    if (this.#socket.writableLength > maxUnsent) {
      this.#fallBehind()
      return
    }
    const startedMs = performance.now()
    const bytes = joined(this.#streams, this.#rendered)
    this.#schedule.counts.written(this.#streams.length, bytes.length, (this.#rendered.at(-1) as Rendered).update)
    this.#forget()
    this.#socket.write(bytes)
    this.#writtenMs = performance.now()
    this.#schedule.wrote(startedMs, this.#writtenMs)
  }

  /** Forgets what waits of a stream. */
  drop(stream: Stream): void {
    this.#waiting?.delete(stream)
    const kept = this.#streams.flatMap((each, i) => (each === stream ? [] : i))
    if (kept.length === this.#streams.length) return
    this.#rendered = kept.map((i) => this.#rendered[i] as Rendered)
    this.#streams = kept.map((i) => this.#streams[i] as Stream)
  }

  cutIfStanding(nowMs: number): void {
    const leftBytes = this.#socket.bytesWritten - this.#socket.writableLength
    if (leftBytes > this.#leftBytes) {
      this.#leftBytes = leftBytes
      this.#movedMs = nowMs
    }
    if (nowMs - this.#movedMs < standstillMs) return
    this.#schedule.counts.cut()
    this.#stop()
    this.#cut()
  }

  #fallBehind(): void {
    this.#waiting = new Set()
    this.#leftBytes = this.#socket.bytesWritten - this.#socket.writableLength
    this.#movedMs = performance.now()
    this.#schedule.block(this)
    const unsent = new Map<Stream, PriceUpdate[]>()
    for (const [i, stream] of this.#streams.entries()) {
      const updates = unsent.get(stream) ?? []
      updates.push((this.#rendered[i] as Rendered).update)
      unsent.set(stream, updates)
    }
    this.#forget()
    for (const [stream, updates] of unsent) stream.hold(updates)
  }

  #drained(): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    this.#schedule.unblock(this)
    for (const stream of waiting) stream.goOn()
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
    const { prefix } = streams[i] as Stream
    const { payload } = rendered[i] as Rendered
    at = writeFrameHeader(bytes, at, prefix.length + payload.length)
    bytes.set(prefix, at)
    at += prefix.length
    bytes.set(payload, at)
    at += payload.length
  }
  return bytes
}
