import type { ServerResponse } from 'node:http'

/**
 * From here on V8 gives a text pages of its own, which the kernel has to provide and clear for each answer. Joining and
 * writing 200 kB takes 300 µs of CPU so, and 50 by way of memory that is used again.
 */
export const leastReusing = 128 * 1024

/** Answers that do not fit into the largest are written in turns of the event loop. */
const sizes = [256 * 1024, 512 * 1024] as const
/** Of each size. More are allocated while more answers are under way. */
const mostIdle = 8
const idle = sizes.map((size) => ({ size, buffers: [] as Buffer[] }))

/** Writes a body and ends the answer. false: it has characters beyond ASCII, or does not fit, and nothing was written. */
export function endReusing(response: ServerResponse, parts: readonly string[], bytes: number): boolean {
  const pool = idle.find(({ size }) => bytes <= size)
  let characters = 0
  for (const part of parts) characters += part.length
  if (!pool || characters !== bytes) return false
  const { size, buffers } = pool
  const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const part of parts) at += buffer.write(part, at, 'latin1')
  // Not before the kernel has taken all of it, or the socket is gone.
  response.once('close', () => {
    if (buffers.length < mostIdle) buffers.push(buffer)
  })
  response.end(buffer.subarray(0, at))
  return true
}
