import type { Socket } from 'node:net'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import type { MessageProducer, MessageWriter, RenderedUpdate, WriterMetrics } from './message-writer.ts'
import { type SocketReader, StalledReaders } from './stalled-readers.ts'

/** Under load, messages for a socket that arrive this soon after a write leave together. */
const gatherMs = 5
/**
 * When writing takes this share of the time, or would if each message left by itself, every message is gathered, and
 * for longer.
 */
const busyShare = 0.7
const gatherBusyMs = 20
const busyWindowMs = 200
/**
 * A pass over all sockets that have gathered begins when this many times its length are over, so writing leaves room. But
 * not later than so long after the last one began: the more has been gathered, the longer a pass takes.
 */
const passesApart = 2
const longestApartMs = 240
const longestGatherMs = 150
/**
 * For how long sockets are written to before the event loop serves others. Where others take longer turns because they
 * have fallen behind, for half as long as they: otherwise a pass would take seconds, in which sockets gather so much that
 * nothing catches up any more.
 */
const turnMs = 2
const shareOfOthers = 0.5
/** How many sockets are written to between two looks at the clock. */
const socketsBetweenLooks = 25
/** The state of a carrier. */
const isOpen = 1
/**
 * How many bytes are gathered for a socket before they have to leave. The socket itself may hold more. Node 24 takes
 * buffers of less than 32 KiB from its pool; larger ones are allocated one by one, which costs more than to write them.
 */
const maxGatheredBytes = 28 * 1024

/** How messages stand in the bytes of a transport, each in a frame of its own. */
export interface Framing {
  /** How many producers and messages there are is the same. */
  frames(producers: readonly MessageProducer[], rendered: readonly RenderedUpdate[]): Buffer
  frame(producer: MessageProducer, rendered: RenderedUpdate): Buffer
}

/** The connection that a writer writes to. */
export interface WriterConnection extends SocketReader {
  /** What the messages are part of; its state is 1 while messages may be written, as that of a WebSocket is. */
  readonly carrier: { readonly readyState: number }
  readonly framing: Framing
}

/** Decides when the sockets of a process are written to. */
export class WriteSchedule {
  readonly metrics: WriterMetrics
  readonly stalledReaders: StalledReaders
  /** Writers that have gathered messages. */
  #gathering = new Set<SocketWriter>()
  #timer: NodeJS.Timeout | undefined
  /** The writers of the pass that is under way, from the next one on. */
  #pass: Iterator<SocketWriter> | undefined
  #passStartMs = Number.NEGATIVE_INFINITY
  /** How long the writing of the last pass took; while one is under way, of that one so far. */
  #passMs = 0
  /** What `#share` was in the last window, and the figures of the present window. */
  #busy = 0
  #windowStartMs = performance.now()
  #writingMs = 0
  #writes = 0
  #messages = 0
  #burstStartMs: number | undefined

  constructor(metrics: WriterMetrics, fallbacks: Pick<LibraryFallbacks, 'report'>) {
    this.metrics = metrics
    this.stalledReaders = new StalledReaders(fallbacks)
  }

  /**
   * When the present burst of writing began, in whole milliseconds of performance.now(). The clock is read once for all
   * sockets that an update goes to, and once when the burst ends: so the schedule knows how much of the time goes into
   * writing.
   */
  get nowMs(): number {
    if (this.#burstStartMs === undefined) {
      this.#burstStartMs = performance.now()
      queueMicrotask(() => this.#endBurst())
    }
    return Math.trunc(this.#burstStartMs)
  }

  get mayWriteAtOnce(): boolean {
    const windowMs = this.nowMs - this.#windowStartMs
    return (windowMs < busyWindowMs ? this.#busy : this.#share(windowMs)) < busyShare
  }

  /** Flushes the writer with the others, a few milliseconds from now. */
  gather(writer: SocketWriter): void {
    this.#gathering.add(writer)
    if (!this.#pass) this.#timer ??= setTimeout(() => this.#beginPass(), this.#gatherMs())
  }

  /** Messages of a writer have left, in one write. */
  wrote(messages: number): void {
    this.#writes += 1
    this.#messages += messages
  }

  forget(writer: SocketWriter): void {
    this.#gathering.delete(writer)
  }

  #endBurst(): void {
    const nowMs = performance.now()
    this.#writingMs += nowMs - (this.#burstStartMs ?? nowMs)
    this.#burstStartMs = undefined
    const windowMs = nowMs - this.#windowStartMs
    if (windowMs < busyWindowMs) return
    this.#busy = this.#share(windowMs)
    this.#writingMs = 0
    this.#writes = 0
    this.#messages = 0
    this.#windowStartMs = nowMs
  }

  /** The share of the time that writing would take if each message left by itself. */
  #share(windowMs: number): number {
    return (this.#writingMs / windowMs) * Math.max(1, this.#messages / this.#writes || 0)
  }

  /** From the first message that is gathered until a pass begins. */
  #gatherMs(): number {
    const leastMs = this.#busy < busyShare ? gatherMs : gatherBusyMs
    const sincePassMs = performance.now() - this.#passStartMs
    const apartMs = Math.min(longestApartMs, passesApart * this.#passMs)
    return Math.min(longestGatherMs, Math.max(leastMs, apartMs - sincePassMs))
  }

  #beginPass(): void {
    this.#timer = undefined
    this.#pass = this.#gathering.values()
    this.#gathering = new Set()
    this.#passStartMs = performance.now()
    this.#passMs = 0
    this.#goOn(this.#pass, turnMs)
  }

  /** Writers that gather again meanwhile are those of the next pass. `forMs`: how long the turn is. */
  #goOn(pass: Iterator<SocketWriter>, forMs: number): void {
    const startMs = performance.now()
    for (let flushed = 1; ; flushed++) {
      const { value: writer, done } = pass.next()
      if (done) break
      writer.flush()
      if (flushed % socketsBetweenLooks !== 0 || performance.now() - startMs < forMs) continue
      const endMs = performance.now()
      this.#passMs += endMs - startMs
      setImmediate(() => this.#goOn(pass, Math.max(turnMs, shareOfOthers * (performance.now() - endMs))))
      return
    }
    this.#passMs += performance.now() - startMs
    this.#pass = undefined
    if (this.#gathering.size > 0) this.#timer = setTimeout(() => this.#beginPass(), this.#gatherMs())
  }
}

/**
 * Writes the messages of a client's subscriptions to its socket, past the library that has the connection. A message
 * for a quiet socket leaves at once. Messages that follow within a few milliseconds leave together, each in a frame of
 * its own. What the library writes goes between them, whole.
 *
 * Messages that the client does not take wait: at most two writes in the socket, and one here. Until it has caught up,
 * the writer takes nothing more; then it resumes the producers.
 */
export class SocketWriter implements MessageWriter {
  // Fields that every update reads come first, and are copied here: for thousands of sockets nearly every read is a
  // cache miss.
  readonly #schedule: WriteSchedule
  readonly #socket: Socket
  readonly #carrier: WriterConnection['carrier']
  readonly #framing: Framing
  /** Whole milliseconds: V8 would keep a fraction as an object of its own. */
  #writtenMs = -gatherMs
  /** Of the messages that wait to be written. */
  #gatheredBytes = 0
  /** Producers to resume when the client has caught up; undefined: it keeps up. */
  #waiting: Set<MessageProducer> | undefined
  /** The messages that wait to be written, a place in each list for a message. */
  #producers: MessageProducer[] = []
  #rendered: RenderedUpdate[] = []
  readonly #connection: WriterConnection

  constructor(connection: WriterConnection, schedule: WriteSchedule) {
    this.#connection = connection
    this.#schedule = schedule
    this.#socket = connection.socket
    this.#carrier = connection.carrier
    this.#framing = connection.framing
    connection.socket.on('drain', this.#drained)
    // once() would keep three more objects.
    connection.socket.on('close', this.close)
  }

  get needsDrain(): boolean {
    return this.#waiting !== undefined
  }

  resumeOnDrain(producer: MessageProducer): void {
    this.#waiting?.add(producer)
  }

  send(producer: MessageProducer, rendered: RenderedUpdate): void {
    if (this.#gatheredBytes === 0 && this.#mayWriteAtOnce()) {
      this.#write(this.#framing.frame(producer, rendered), 1, rendered)
      return
    }
    this.#producers.push(producer)
    this.#rendered.push(rendered)
    this.#gatheredBytes += messageBytes(producer, rendered)
    if (this.#gatheredBytes > maxGatheredBytes) this.flush()
    // Where others wait already, they wait for the schedule or for the client.
    else if (this.#producers.length === 1) this.#schedule.gather(this)
  }

  /** Writes the gathered messages, if the client has taken enough of what was written before. */
  flush(): void {
    if (this.#takesMore()) this.writeAll()
    else if (this.#gatheredBytes > maxGatheredBytes) this.#waiting ??= new Set()
  }

  writeAll(): void {
    if (this.#gatheredBytes === 0) return
    const [producers, rendered] = [this.#producers, this.#rendered]
    this.#forget()
    this.#write(this.#framing.frames(producers, rendered), producers.length, rendered.at(-1) as RenderedUpdate)
  }

  discard(producer: MessageProducer): void {
    this.#waiting?.delete(producer)
    const kept = this.#producers.flatMap((each, i) => (each === producer ? [] : i))
    if (kept.length === this.#producers.length) return
    const [producers, rendered] = [this.#producers, this.#rendered]
    this.#forget()
    for (const i of kept) {
      this.#producers.push(producers[i] as MessageProducer)
      this.#rendered.push(rendered[i] as RenderedUpdate)
      this.#gatheredBytes += messageBytes(producers[i] as MessageProducer, rendered[i] as RenderedUpdate)
    }
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
    if (this.#carrier.readyState !== isOpen) return
    const socket = this.#socket
    this.#schedule.metrics.written(messages, bytes.length, newest.update)
    this.#schedule.wrote(messages)
    socket.write(bytes)
    this.#writtenMs = this.#schedule.nowMs
    if (socket.writableLength > 0) this.#schedule.stalledReaders.watch(this.#connection)
  }

  readonly #drained = (): void => {
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

  /** Producers that have had no turn come before those that have. */
  #waitFirst(producers: readonly MessageProducer[]): void {
    this.#waiting = new Set([...producers, ...(this.#waiting ?? [])])
  }

  #forget(): void {
    this.#producers = []
    this.#rendered = []
    this.#gatheredBytes = 0
  }

  /** Nothing is written any more. The socket may go on to carry something else. */
  readonly close = (): void => {
    this.#socket.off('drain', this.#drained)
    this.#socket.off('close', this.close)
    this.#schedule.forget(this)
    this.#forget()
    this.#waiting = undefined
  }
}

const messageBytes = ({ prefix }: MessageProducer, { payload }: RenderedUpdate): number =>
  prefix.length + payload.length
