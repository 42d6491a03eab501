/** One frame of a WebSocket, as RFC 6455 has it in section 5.2. */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Takes the bytes that a server sends apart, however they are cut; throws where they break a rule. */
export class FrameParser {
  #bytes: Buffer = Buffer.alloc(0)

  push(bytes: Buffer): Frame[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const frames: Frame[] = []
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame)
    return frames
  }

  /** Bytes of a frame that is not whole. */
  get left(): number {
    return this.#bytes.length
  }

  #next(): Frame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const [first = 0, second = 0] = bytes
    if ((first & 0xf0) !== 0x80)
      throw new Error(`a frame begins with ${first}: it is not one whole message, or reserved`)
    if (second > 127) throw new Error('a server does not mask')
    const headerBytes = second < 126 ? 2 : second === 126 ? 4 : 10
    if (bytes.length < headerBytes) return undefined
    const length = second < 126 ? second : second === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if ((second === 126 && length < 126) || (second === 127 && length < 65_536)) {
      throw new Error(`a length of ${length} is not written in the shortest way`)
    }
    if (bytes.length < headerBytes + length) return undefined
    const payload = bytes.subarray(headerBytes, headerBytes + length)
    this.#bytes = bytes.subarray(headerBytes + length)
    return { opcode: first & 0x0f, payload }
  }
}

/** Throws where it is no UTF-8. */
export const textOf = (payload: Buffer): string => decoder.decode(payload)

/** A frame as a client sends it. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const mask = Buffer.from([1, 2, 3, 4])
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  header[0] = 0x80 | opcode
  header[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (header.length === 4) header.writeUInt16BE(length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2)
  const masked = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] as number)))
  return Buffer.concat([header, mask, masked])
}
