import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

// What this program relies on of Node's internals, as of Node 24:
//
// * A net.Socket keeps the handle of its connection as `_handle`: null once it is closed.
// * `writeQueueSize` of that handle is how many bytes of the write under way the system has not taken yet. Node's own
// time-outs   of sockets go by it. No public property tells it: `writableLength` counts a write in full until all of it
// is taken.
// * The socket of an HTTP connection keeps the response whose turn it is as `_httpMessage`.
//
// test/unit/platform/node-internals.test.ts fails when a version of Node no longer has them.

/** Bytes of the write under way that the system has not taken yet; undefined: this version of Node does not tell. */
export function unsentBytesOfWrite(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: unknown } | null }
  if (handle === null) return 0
  return typeof handle?.writeQueueSize === 'number' ? handle.writeQueueSize : undefined
}

/** The answer that an HTTP connection sends now or next. undefined: none is outstanding. */
export const outstandingAnswer = (socket: Socket): ServerResponse | undefined =>
  (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
