import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { OwnConnection } from '../../../../src/platform/database/own-connection.ts'

test('after an abort a server that hangs holds up the opening of a connection for a second at most, and nothing is left of it', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {}).resume()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connection = new OwnConnection(`postgresql://user:password@127.0.0.1:${port}/database`, 'test')
  const controller = new AbortController()
  const opening = connection.open(controller.signal)
  await once(server, 'connection')
  const abortedMs = performance.now()
  controller.abort()
  await assert.rejects(opening, /Connection terminated/)
  assert.ok(performance.now() - abortedMs < 3000)
  const [socket] = sockets
  if (socket && !socket.closed) await once(socket, 'close')
  server.close()
  await assert.rejects(connection.open(AbortSignal.abort(new Error('stopped'))), new Error('stopped'))
})
