import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Listener } from '../../../../src/http/server/listener.ts'
import { eventually, inTime } from '../../../support/clients/client.ts'

/** A listener, and a connection to it that collects what it answers. */
async function serving(serve: RequestListener) {
  const listener = new Listener({ host: '127.0.0.1', port: 0, maxConnections: 10, serve })
  await listener.start()
  const socket = connect(Number(new URL(listener.origin).port), '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (part) => {
    text += part
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  const stop = async (): Promise<void> => {
    socket.destroy()
    await listener.stop()
  }
  return { listener, socket, answers: () => text, [Symbol.asyncDispose]: stop }
}

const post = (i: number, body: string): string =>
  `POST /${i} HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`

test('requests that a client sends ahead are served one after the other, in order, whole, and none is lost', async () => {
  let running = 0
  let most = 0
  await using server = await serving(async (request, response) => {
    running += 1
    most = Math.max(most, running)
    let body = ''
    for await (const part of request) body += part
    if (Number(request.url?.slice(1)) % 7 === 0) await sleep(1)
    running -= 1
    response.end(`${request.url}:${body.length}\n`)
  })
  const count = 500
  const { socket } = server
  // In pieces that end anywhere, also within a head and a body.
  const all = Array.from({ length: count }, (_, i) => post(i, 'x'.repeat((i * 37) % 1000))).join('')
  for (let at = 0; at < all.length; at += 10_007) socket.write(all.slice(at, at + 10_007))
  const bodies = (): string[] => server.answers().match(/\/\d+:\d+\n/g) ?? []
  await eventually(
    () => bodies().length === count,
    () => `${bodies().length} answers`,
  )
  assert.deepEqual(
    bodies(),
    Array.from({ length: count }, (_, i) => `/${i}:${(i * 37) % 1000}\n`),
  )
  assert.equal(most, 1)
})

test('while an answer is on its way, no more is read from its connection than one read holds', async () => {
  let begun = 0
  const first = Promise.withResolvers<void>()
  await using server = await serving(async (request, response) => {
    begun += 1
    if (request.url === '/0') await first.promise
    response.end('done')
  })
  const { socket } = server
  const body = 'x'.repeat(1000)
  const count = 30_000
  let sent = 0
  const write = (): void => {
    for (let isTaken = true; isTaken && sent < count; sent++) isTaken = socket.write(post(sent, body))
  }
  socket.on('drain', write)
  write()
  await stillWriting(socket)
  // The rest waits in the buffers of both ends and of the system.
  assert.ok(sent < count / 2, `${sent} requests were taken`)
  assert.equal(begun, 1)
  first.resolve()
  await eventually(
    () => begun === count,
    () => `${begun} begun, ${sent} sent`,
  )
})

/** Until the socket has taken nothing for a while. */
async function stillWriting(socket: Socket): Promise<void> {
  for (let before = -1; before !== socket.bytesWritten - socket.writableLength; ) {
    before = socket.bytesWritten - socket.writableLength
    await sleep(100)
  }
}

test('what a client has sent ahead is not begun once it has gone', async () => {
  const begun: (string | undefined)[] = []
  const closed = Promise.withResolvers<void>()
  await using server = await serving((request, response) => {
    begun.push(request.url)
    response.once('close', closed.resolve)
    setTimeout(() => response.end('done'), 20)
  })
  server.socket.write(post(0, '') + post(1, '') + post(2, ''))
  await eventually(() => begun.length === 1, 'the first request')
  server.socket.resetAndDestroy()
  await inTime(closed.promise, 'the end')
  await sleep(20)
  assert.deepEqual(begun, ['/0'])
})

const statusLines = (answers: string): (string | undefined)[] =>
  answers.split(/(?=HTTP\/1\.1 )/).map((answer) => answer.split('\r\n')[0])

/** Answers when it is told to. */
async function servingLater() {
  const go = Promise.withResolvers<void>()
  const begun: (string | undefined)[] = []
  const server = await serving(async (request, response) => {
    begun.push(request.url)
    await go.promise
    for await (const _part of request);
    response.end('x'.repeat(1_000_000))
  })
  const upgraded: (string | undefined)[] = []
  server.listener.server.on('upgrade', (request, socket) => {
    upgraded.push(request.url)
    socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
  })
  return { server, begun, upgraded, go: go.resolve, closed: once(server.socket, 'close') }
}

const unreadable = {
  'that is no HTTP': ['GARBAGE\r\n\r\n', '400 Bad Request'],
  'whose head is too long': [
    `GET / HTTP/1.1\r\nhost: ${'a'.repeat(20_000)}\r\n\r\n`,
    '431 Request Header Fields Too Large',
  ],
  'whose body is no HTTP': [
    'POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nGARBAGE\r\n\r\n',
    '400 Bad Request',
  ],
} as const

for (const [which, [bytes, status]] of Object.entries(unreadable)) {
  test(`a request ${which} is refused behind the answers to those before it, and alone at once`, async () => {
    const { server, begun, go, closed } = await servingLater()
    await using _stopped = server
    server.socket.write(post(0, '') + post(1, 'body') + bytes)
    await eventually(() => begun.length === 1, 'the first request')
    await sleep(20)
    assert.equal(server.answers(), '')
    go()
    await inTime(closed, 'the end')
    assert.deepEqual(statusLines(server.answers()), ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', `HTTP/1.1 ${status}`])
    assert.deepEqual(begun, ['/0', '/1'])

    const alone = await servingLater()
    await using _stoppedToo = alone.server
    alone.server.socket.write(bytes)
    await inTime(alone.closed, 'the end')
    assert.equal(alone.server.answers(), `HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
  })
}

test('an upgrade is refused behind answers that are outstanding, and else it is made', async () => {
  const upgrade = 'GET /up HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n'
  const { server, begun, upgraded, go, closed } = await servingLater()
  await using _stopped = server
  server.socket.write(post(0, '') + post(1, '') + upgrade)
  await eventually(() => begun.length === 1, 'the first request')
  await sleep(20)
  assert.equal(server.answers(), '')
  go()
  await inTime(closed, 'the end')
  assert.deepEqual(statusLines(server.answers()), ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.1 400 Bad Request'])
  assert.deepEqual([begun, upgraded], [['/0', '/1'], []])

  const later = await servingLater()
  await using _stoppedToo = later.server
  later.go()
  later.server.socket.write(post(0, ''))
  await eventually(() => later.server.answers().length > 1_000_000, 'the first answer')
  later.server.socket.write(upgrade)
  await inTime(later.closed, 'the end')
  assert.deepEqual(statusLines(later.server.answers()), ['HTTP/1.1 200 OK', 'HTTP/1.1 101 Switching Protocols'])
})
