import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { endReusing } from '../../../../src/http/answers/reused-buffers.ts'

const length = 500_000
const end = '\n\n'
/** Another one for each answer. */
const textOf = (url: string): string => `${url},`.repeat(length).slice(0, length - end.length) + end

const server = createServer(({ url = '' }, response) => {
  const text = textOf(url)
  response.writeHead(200, { 'content-length': length })
  assert.ok(endReusing(response, [text.slice(0, 1000), text.slice(1000)], length))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())

/** Asks over one connection without reading, until the kernel takes no more. Returns how many answers it waits for. */
async function stalled(socket: Socket, name: string): Promise<number> {
  for (let count = 1; ; count++) {
    const request = once(server, 'request')
    socket.write(requestOf(`/${name}-${count}`))
    const [, response] = (await request) as [unknown, ServerResponse]
    for (let times = 0; times < 50 && !response.writableFinished; times++) await setImmediate()
    if (!response.writableFinished) return count
  }
}

const requestOf = (url: string): string => `GET ${url} HTTP/1.1\r\nhost: a\r\n\r\n`

async function connected(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  await once(socket, 'connect')
  return socket
}

async function assertAnswers(socket: Socket, name: string, count: number): Promise<void> {
  let received = ''
  let at = 1
  for await (const chunk of socket) {
    received += (chunk as Buffer).toString('latin1')
    for (let to = received.indexOf(end); to >= 0; to = received.indexOf(end)) {
      const body = received.slice(received.indexOf('\r\n\r\n') + 4, to + end.length)
      assert.ok(body === textOf(`/${name}-${at}`), `${name}-${at}: ${body.slice(0, 20)}`)
      received = received.slice(to + end.length)
      if (at++ === count) return
    }
  }
  assert.fail('the connection has ended')
}

test('memory is not used again before a client that reads slowly has got its answer, or has gone', async () => {
  const [slow, gone, quick] = await Promise.all([connected(), connected(), connected()])
  const count = await stalled(slow, 'slow')
  await stalled(gone, 'gone')
  gone.destroy()
  for (let i = 1; i <= 20; i++) quick.write(requestOf(`/quick-${i}`))
  await assertAnswers(quick, 'quick', 20)
  await assertAnswers(slow, 'slow', count)
})

test('what is not ASCII, or longer than any of the memory, is left to others', () => {
  const response = null as never
  assert.equal(endReusing(response, ['ü'.repeat(100_000)], 200_000), false)
  assert.equal(endReusing(response, ['u'.repeat(600_000)], 600_000), false)
})
