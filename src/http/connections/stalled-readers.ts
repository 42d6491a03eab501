import type { Socket } from 'node:net'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import { unsentBytesOfWrite } from '../../platform/node-internals.ts'

/** A reader that takes nothing at so many checks in a row, one a second, is cut. */
const stalledSeconds = 30
/** Where only whole writes can be counted: an answer of 5 MB takes a reader of 100 KB/s nearly a minute. */
const stalledSecondsOfWholeWrites = 120

const wholeWritesOnly = `Node does not tell how much of a write is left: readers that take no whole write in ${stalledSecondsOfWholeWrites} s are cut`

/** The client at the other end of a socket. */
export interface SocketReader {
  readonly socket: Socket
  /** Ends the connection, because the client has stalled. */
  cut(): void
}

/** How many bytes of a socket the system had taken at the last check. */
interface Progress {
  /** In whole writes. */
  written: number
  /** What is left of the write under way; undefined: Node does not tell. */
  unsent: number | undefined
}

interface Watched extends Progress {
  unchangedSeconds: number
}

/**
 * Cuts readers that take nothing of what waits for them. A reader that takes a little is not cut. Seconds are counted
 * in checks: while the process itself is held up, nobody's time runs.
 */
export class StalledReaders {
  readonly #fallbacks: Pick<LibraryFallbacks, 'report'>
  readonly #watched = new Map<SocketReader, Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor(fallbacks: Pick<LibraryFallbacks, 'report'>) {
    this.#fallbacks = fallbacks
  }

  /** To be called when bytes were written that did not leave. */
  watch(reader: SocketReader): void {
    if (this.#watched.has(reader)) return
    const progress = progressOf(reader.socket)
    if (progress.unsent === undefined) {
      this.#fallbacks.report('node', wholeWritesOnly)
    }
    this.#watched.set(reader, { ...progress, unchangedSeconds: 0 })
    this.#timer ??= setInterval(() => this.#check(), 1000).unref()
  }

  #check(): void {
    for (const [reader, watched] of this.#watched) {
      const { socket } = reader
      if (socket.destroyed || socket.writableLength === 0) {
        this.#watched.delete(reader)
        continue
      }
      const { written, unsent } = progressOf(socket)
      const hasMoved = written !== watched.written || unsent !== watched.unsent
      watched.written = written
      watched.unsent = unsent
      watched.unchangedSeconds = hasMoved ? 0 : watched.unchangedSeconds + 1
      if (watched.unchangedSeconds < (unsent === undefined ? stalledSecondsOfWholeWrites : stalledSeconds)) continue
      this.#watched.delete(reader)
      reader.cut()
    }
    if (this.#watched.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

const progressOf = (socket: Socket): Progress => ({
  written: socket.bytesWritten - socket.writableLength,
  unsent: unsentBytesOfWrite(socket),
})
