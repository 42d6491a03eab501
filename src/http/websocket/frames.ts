/** Bytes of the header of an unmasked text frame (RFC 6455, section 5.2) with a payload of that length. */
export const frameHeaderBytes = (payloadBytes: number): number =>
  payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10

/** Writes that header at an offset. Returns the offset behind it. */
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

/** Writes a frame whose payload is in two parts. Returns the offset behind it. */
export function writeFrame(into: Buffer, at: number, first: Buffer, second: Buffer): number {
  const firstAt = writeFrameHeader(into, at, first.length + second.length)
  const secondAt = firstAt + first.length
  into.set(first, firstAt)
  into.set(second, secondAt)
  return secondAt + second.length
}
