import type { MessageProducer, RenderedUpdate } from '../connections/message-writer.ts'
import type { Framing } from '../connections/socket-writer.ts'

/** An unmasked text frame that is a message by itself, and the same compressed by permessage-deflate (RFC 7692, 6). */
type FirstByte = 0x81 | 0xc1

/** Bytes of the header of an unmasked text frame (RFC 6455, section 5.2) with a payload of that length. */
export const frameHeaderBytes = (payloadBytes: number): number =>
  payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10

/** Writes that header at an offset. Returns the offset behind it. */
export function writeFrameHeader(into: Buffer, at: number, payloadBytes: number, first: FirstByte = 0x81): number {
  into[at] = first
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

/** Writes a frame whose payload is in two parts. Returns the offset behind it. */
function writeFrame(into: Buffer, at: number, first: Buffer, second: Buffer): number {
  const firstAt = writeFrameHeader(into, at, first.length + second.length)
  const secondAt = firstAt + first.length
  into.set(first, firstAt)
  into.set(second, secondAt)
  return secondAt + second.length
}

/** Bytes before the content of a block of DEFLATE that is stored as it is (RFC 1951, section 3.2.4). */
const storedHeaderBytes = 5
/** What ends a compressed text that is flushed, and is left out of a message (RFC 7692, section 7.2.1). */
const emptyBlockBytes = 4

/**
 * A frame compressed by permessage-deflate: the first part as it is, which differs by client, then the second part,
 * which was compressed by itself, once for all clients. The first part is shorter than 64 KiB.
 */
function deflatedFrame(first: Buffer, deflated: Buffer): Buffer {
  const payloadBytes = storedHeaderBytes + first.length + deflated.length - emptyBlockBytes
  const bytes = Buffer.allocUnsafe(frameHeaderBytes(payloadBytes) + payloadBytes)
  const at = writeFrameHeader(bytes, 0, payloadBytes, 0xc1)
  bytes[at] = 0
  bytes.writeUInt16LE(first.length, at + 1)
  bytes.writeUInt16LE(0xffff - first.length, at + 3)
  bytes.set(first, at + storedHeaderBytes)
  bytes.set(deflated.subarray(0, -emptyBlockBytes), at + storedHeaderBytes + first.length)
  return bytes
}

const payloadBytes = ({ prefix }: MessageProducer, { payload }: RenderedUpdate): number =>
  prefix.length + payload.length

const frameBytes = (bytes: number): number => frameHeaderBytes(bytes) + bytes

/** Frames of a WebSocket. */
export const textFraming: Framing = {
  frame(producer, rendered) {
    const bytes = Buffer.allocUnsafe(frameBytes(payloadBytes(producer, rendered)))
    writeFrame(bytes, 0, producer.prefix, rendered.payload)
    return bytes
  },

  frames(producers, rendered) {
    let length = 0
    for (let i = 0; i < producers.length; i++) {
      length += frameBytes(payloadBytes(producers[i] as MessageProducer, rendered[i] as RenderedUpdate))
    }
    const bytes = Buffer.allocUnsafe(length)
    let at = 0
    for (let i = 0; i < producers.length; i++) {
      at = writeFrame(bytes, at, (producers[i] as MessageProducer).prefix, (rendered[i] as RenderedUpdate).payload)
    }
    return bytes
  },
}

/** A block of DEFLATE that is stored as it is has fewer bytes. */
const longestStored = 65_536

/** The same, compressed where that pays. */
export const deflatingFraming: Framing = {
  frame: (producer, rendered) =>
    rendered.deflated && producer.prefix.length < longestStored
      ? deflatedFrame(producer.prefix, rendered.deflated)
      : textFraming.frame(producer, rendered),

  frames: (producers, rendered) =>
    Buffer.concat(producers.map((producer, i) => deflatingFraming.frame(producer, rendered[i] as RenderedUpdate))),
}
