import type { Socket } from 'node:net'

/** A reader that takes nothing for so many looks, one a second, is cut. */
const standstillSeconds = 30

/** A client at the other end of a socket. */
export interface SocketReader {
  readonly socket: Socket
  /** Ends it, because it stands still. */
  cut(): void
}

/** What the system had taken of a socket's bytes when that was looked at. */
interface Look {
  handedOver: number
  queued: number
  unchangedSeconds: number
}

/**
 * Cuts readers who take nothing of what waits for them. One that takes a little is not cut. Seconds are counted in looks: while
 * the process itself stands still, nobody's time runs.
 */
export class StalledReaders {
  readonly #looks = new Map<SocketReader, Look>()
  #timer: NodeJS.Timeout | undefined

  /** To be called when bytes were written that did not leave. */
  watch(reader: SocketReader): void {
    if (this.#looks.has(reader)) return
    this.#looks.set(reader, { ...progressOf(reader.socket), unchangedSeconds: 0 })
    this.#timer ??= setInterval(() => this.#look(), 1000).unref()
  }

  #look(): void {
    for (const [reader, look] of this.#looks) {
      const { socket } = reader
      if (socket.destroyed || socket.writableLength === 0) {
        this.#looks.delete(reader)
        continue
      }
      const { handedOver, queued } = progressOf(socket)
      const hasMoved = handedOver !== look.handedOver || queued !== look.queued
      look.handedOver = handedOver
      look.queued = queued
      look.unchangedSeconds = hasMoved ? 0 : look.unchangedSeconds + 1
      if (look.unchangedSeconds < standstillSeconds) continue
      this.#looks.delete(reader)
      reader.cut()
    }
    if (this.#looks.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Whole writes that were taken, and what is left of the one under way: as Node's own time-outs of sockets have it. */
function progressOf(socket: Socket): { handedOver: number; queued: number } {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null }
  return { handedOver: socket.bytesWritten - socket.writableLength, queued: handle?.writeQueueSize ?? 0 }
}
