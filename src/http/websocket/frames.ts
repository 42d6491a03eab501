/**
 * How long the header of an unmasked text frame is (RFC 6455, section 5.2) whose payload has so many bytes.
 */
export const frameHeaderBytes = (payloadBytes: number): number =>
  payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10

/** Writes that header; returns the place behind it. */
export function writeFrameHeader(into: Buffer, at: number, payloadBytes: number): number {
  into[at] = 0x81
  if (payloadBytes < 126) {
    into[at + 1] = payloadBytes
    return at + 2
  }
  if (payloadBytes < 65_536) {
    into[at + 1] = 126
    into[at + 2] = payloadBytes >>> 8
    into[at + 3] = payloadBytes & 0xff
    return at + 4
  }
  into[at + 1] = 127
  into.writeUInt32BE(0, at + 2)
  into.writeUInt32BE(payloadBytes, at + 6)
  return at + 10
}

/** Writes a frame whose payload is in two parts; returns the place behind it. */
export function writeFrame(into: Buffer, at: number, first: Buffer, second: Buffer): number {
  const firstAt = writeFrameHeader(into, at, first.length + second.length)
  const secondAt = firstAt + first.length
  into.set(first, firstAt)
  into.set(second, secondAt)
  return secondAt + second.length
}

/** How long a frame may be that is made in memory which is used again. */
export const maxReusedFrame = 16 * 1024

/**
 * One frame at a time, in the same memory: so it stays in the processor's cache, where new memory for each would push out what the
 * next write needs. What is the same as in the frame before is not written again.
 */
export class ReusedFrame {
  #memory = Buffer.allocUnsafeSlow(maxReusedFrame)
  #bytes = this.#memory.subarray(0, 0)
  #first = 0
  #second: Buffer | undefined

  /** Good until the next is made, unless it is kept. The payload is in two parts; the second one's bytes do not change. */
  of(first: Buffer, second: Buffer): Buffer {
    const payloadBytes = first.length + second.length
    const headerBytes = frameHeaderBytes(payloadBytes)
    if (second === this.#second && first.length === this.#first) {
      this.#bytes.set(first, headerBytes)
      return this.#bytes
    }
    const length = headerBytes + payloadBytes
    if (this.#bytes.length !== length) this.#bytes = this.#memory.subarray(0, length)
    writeFrame(this.#bytes, 0, first, second)
    this.#first = first.length
    this.#second = second
    return this.#bytes
  }

  /** The last one is still needed: the next is made elsewhere. */
  keep(): void {
    this.#memory = Buffer.allocUnsafeSlow(maxReusedFrame)
    this.#bytes = this.#memory.subarray(0, 0)
    this.#second = undefined
  }
}
