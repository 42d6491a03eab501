import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { createGzip } from 'node:zlib'
import { type YahooOptions, yahooSource } from '../../../src/market/yahoo/source.ts'

const mebibyte = 1024 * 1024
const hundred = 100 * mebibyte

interface Server extends AsyncDisposable {
  readonly url: string
  readonly requests: () => number
  /** Bytes that went out on all connections. */
  readonly sent: () => number
}

async function serverThat(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Server> {
  let requests = 0
  const sockets = new Set<{ readonly bytesWritten: number }>()
  const server = createServer((request, response) => {
    requests++
    void answer(request, response)
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    sent: () => [...sockets].reduce((total, { bytesWritten }) => total + bytesWritten, 0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** What begins like an answer and goes on for so many bytes. */
function* jsonLike(bytes: number): Generator<string> {
  const part = '"x",'.repeat(16_384)
  yield '{"chart":{"result":['
  for (let sent = 0; sent < bytes; sent += part.length) yield part
}

/** Who is read no further sees an error, which is what these tests are about. */
const send = (response: ServerResponse, bytes: number, ...through: NodeJS.ReadWriteStream[]) =>
  pipeline([Readable.from(jsonLike(bytes)), ...through, response]).catch(() => undefined)

const query = { symbol: 'AAPL', interval: 'DAY_1', extendedHours: false, from: 0, to: 86_400 } as const
const sourceOf = ({ url }: Server, options: YahooOptions = {}) => yahooSource({ baseUrl: url, ...options })
const isTooLarge = { code: 'SOURCE_UNAVAILABLE', cause: { name: 'BodyTooLarge' } }

async function assertTooLarge(call: Promise<unknown>): Promise<void> {
  const error = await call.then(
    () => assert.fail('expected the call to fail'),
    (reason: { code?: unknown; cause?: { name?: unknown } }) => reason,
  )
  assert.deepEqual({ code: error.code, cause: { name: error.cause?.name } }, isTooLarge)
}

test('an answer of 100 MiB is left off after 8 MiB, and is not asked for again', async () => {
  await using server = await serverThat((_, response) => send(response, hundred))
  await assertTooLarge(sourceOf(server).candles(query))
  assert.equal(server.requests(), 1)
  // What lies in buffers between the two counts too.
  assert.ok(server.sent() < 16 * mebibyte, `${server.sent()} bytes`)
})

test('an answer that says it has 100 MiB is not read', async () => {
  await using server = await serverThat((_, response) => {
    response.setHeader('content-length', hundred)
    return send(response, hundred)
  })
  await assertTooLarge(sourceOf(server).candles(query))
  assert.ok(server.sent() < 8 * mebibyte, `${server.sent()} bytes`)
})

test('an answer that unpacks to 100 MiB takes a fraction of that in memory', async () => {
  await using server = await serverThat((_, response) => {
    response.setHeader('content-encoding', 'gzip')
    return send(response, hundred, createGzip())
  })
  const source = sourceOf(server)
  await assertTooLarge(source.candles(query))
  const before = process.memoryUsage().rss
  await assertTooLarge(source.candles(query))
  const grownBytes = process.memoryUsage().rss - before
  assert.ok(grownBytes < 64 * mebibyte, `${grownBytes} bytes`)
})

test('an error page has a bound too, and a redirect is not read at all', async () => {
  await using server = await serverThat(({ url = '' }, response) => {
    if (url.startsWith('/v8/')) response.writeHead(302, { location: '/v7/finance/quote' })
    else response.statusCode = 404
    return send(response, hundred)
  })
  await assertTooLarge(sourceOf(server).candles(query))
  assert.equal(server.requests(), 2)
  assert.ok(server.sent() < 20 * mebibyte, `${server.sent()} bytes`)
})

test('an answer of 7 MiB is read', async () => {
  await using server = await serverThat((_, response) => {
    response.end(`{"quotes":["${'x'.repeat(7 * mebibyte)}"]}`)
  })
  assert.deepEqual(await sourceOf(server).search('apple', 5), [])
})

test('a page that is asked for its cookie is not read', async () => {
  await using server = await serverThat(({ url = '' }, response) => {
    if (url.startsWith('/v1/test/getcrumb')) return response.end('test.Crumb1')
    if (url.startsWith('/v7/')) return response.end('{"quoteResponse":{"result":[]}}')
    response.setHeader('set-cookie', 'A3=d=test; Domain=.yahoo.com; Path=/')
    return send(response, hundred)
  })
  assert.equal((await sourceOf(server).listings(['AAPL'])).size, 0)
  assert.ok(server.sent() < 8 * mebibyte, `${server.sent()} bytes`)
})

test('an answer that trickles in for longer than a call may take is a time-out', async () => {
  await using server = await serverThat((_, response) => {
    const trickle = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(trickle))
  })
  const source = sourceOf(server, { timeoutMs: 40, policy: { retryWithinMs: 0 } })
  await assert.rejects(source.candles(query), { code: 'SOURCE_UNAVAILABLE' })
})
