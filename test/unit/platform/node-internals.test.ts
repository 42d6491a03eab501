import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { unsentBytesOfWrite } from '../../../src/platform/node-internals.ts'
import { eventually } from '../../support/clients/client.ts'

const size = 32 * 1024 * 1024
const renamed =
  'This version of Node no longer tells how much of a write is left (socket._handle.writeQueueSize): readers that take part of a large write count as stalled. See src/platform/node-internals.ts.'

test('Node tells how much of a write under way the system has not taken, until all is taken or the socket is closed', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = await accepted
  t.after(() => reader.destroy())
  reader.on('error', () => {})
  reader.pause()
  socket.write(Buffer.alloc(size))
  const unsent = unsentBytesOfWrite(socket)
  assert.ok(unsent !== undefined, renamed)
  assert.ok(unsent > 0 && unsent <= size, `${renamed} It says ${unsent}.`)
  assert.equal(socket.writableLength, size, 'the public property counts the whole write')
  let received = 0
  reader.on('data', (bytes: Buffer) => {
    received += bytes.length
    if (received < size / 2) return
    reader.pause()
  })
  reader.resume()
  await eventually(() => reader.isPaused() && (unsentBytesOfWrite(socket) ?? unsent) < unsent, 'that part was taken')
  assert.ok((unsentBytesOfWrite(socket) ?? 0) > 0, renamed)
  assert.equal(socket.writableLength, size)
  reader.removeAllListeners('data').resume()
  await eventually(() => unsentBytesOfWrite(socket) === 0, 'that all was taken')
  socket.destroy()
  assert.equal(unsentBytesOfWrite(socket), 0, renamed)
})
