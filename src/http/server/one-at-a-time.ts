import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Serves the requests of a connection one after the other: a request begins when the system has taken the answer to the
 * one before. Node parses all that a client sends ahead. Meanwhile nothing is read from the connection, so no more
 * requests wait than one read of 64 KiB holds. `timeoutMs`: of the socket, which the answer before may have changed.
 */
export function oneAtATime(serve: RequestListener, timeoutMs: number): RequestListener {
  const waiting = new WeakMap<Socket, number>()

  const wait = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    const count = waiting.get(socket)
    waiting.set(socket, (count ?? 0) + 1)
    // Node resumes a socket whenever the body of a request is read.
    if (count === undefined) socket.on('resume', () => waiting.get(socket) && socket.pause())
    socket.pause()
    // When the answer before it has left, Node gives the socket to this one.
    response.once('socket', () => {
      const left = (waiting.get(socket) ?? 1) - 1
      waiting.set(socket, left)
      if (left === 0) socket.resume()
      socket.setTimeout(timeoutMs)
      process.nextTick(() => {
        if (!socket.destroyed) serve(request, response)
      })
    })
  }

  return (request, response) => {
    if (response.socket) serve(request, response)
    else wait(request, response)
  }
}
