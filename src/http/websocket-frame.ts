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
