import type { RenderedUpdate } from '../connections/message-writer.ts'
import type { Framing } from '../connections/socket-writer.ts'

const beginning = Buffer.from('event: next\ndata: ')
const end = '\n\n'

/** Bytes of the event of a payload, which ends with a brace that closes a message elsewhere. */
const eventBytes = ({ payload }: RenderedUpdate): number => beginning.length + payload.length - 1 + end.length

/**
 * Events of GraphQL over SSE, those that leave together in one chunk (RFC 9112, section 7.1). JSON has no line breaks,
 * so a payload is one line of data.
 */
export const eventFraming: Framing = {
  frame: (_producer, rendered) => chunkOf([rendered]),
  frames: (_producers, rendered) => chunkOf(rendered),
}

function chunkOf(all: readonly RenderedUpdate[]): Buffer {
  let length = 0
  for (const rendered of all) length += eventBytes(rendered)
  const head = `${length.toString(16)}\r\n`
  const bytes = Buffer.allocUnsafe(head.length + length + 2)
  let at = bytes.write(head, 'latin1')
  for (const { payload } of all) {
    bytes.set(beginning, at)
    bytes.set(payload.subarray(0, -1), at + beginning.length)
    at += beginning.length + payload.length - 1
    at += bytes.write(end, at, 'latin1')
  }
  bytes.write('\r\n', at, 'latin1')
  return bytes
}
