import { type IncomingMessage, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { outstandingAnswer } from '../../platform/node-internals.ts'

/** Requests to upgrade that came while an answer was outstanding. */
const refusedUpgrades = new WeakSet<IncomingMessage>()
/** Their requests can't be read any further. */
const unreadable = new WeakSet<Socket>()

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
        if (socket.destroyed) return
        if (refusedUpgrades.has(request)) response.writeHead(400, { connection: 'close' }).end()
        else serve(request, response)
      })
    })
  }

  return (request, response) => {
    if (response.socket) serve(request, response)
    else wait(request, response)
  }
}

/** What is sent after an upgrade would stand before the answers that are outstanding. */
export function mayUpgrade(request: IncomingMessage): boolean {
  const may = !outstandingAnswer(request.socket)
  if (!may) refusedUpgrades.add(request)
  return may
}

const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** Answers a request that can't be read as Node would, and closes its connection, behind the answers before it. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (unreadable.has(socket)) return
  unreadable.add(socket)
  socket.pause()
  const refuse = (): void => {
    const answer = outstandingAnswer(socket)
    if (answer?.req.complete) {
      answer.once('close', refuse)
      return
    }
    const status = statuses[error.code ?? ''] ?? 400
    if (socket.writable && !answer?.headersSent) {
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`)
    }
    socket.destroy(error)
  }
  refuse()
}
