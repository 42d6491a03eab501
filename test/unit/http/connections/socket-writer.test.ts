import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { WebSocket, WebSocketServer } from 'ws'
import type { MessageProducer, RenderedUpdate } from '../../../../src/http/connections/message-writer.ts'
import { SocketWriter, type WriterConnection, WriteSchedule } from '../../../../src/http/connections/socket-writer.ts'
import { textFraming } from '../../../../src/http/websocket/frames.ts'
import { updateOf } from '../../../support/candles/prices.ts'
import { eventually } from '../../../support/clients/client.ts'
import { clientFrame, FrameParser, textOf } from '../../../support/clients/frames.ts'

const noFallbacks = { report: (library: string, what: string) => assert.fail(`${library}: ${what}`) }

const http = createServer()
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false })
http.listen(0, '127.0.0.1')
await once(http, 'listening')
const { port } = http.address() as AddressInfo
after(() => {
  for (const webSocket of sockets.clients) webSocket.terminate()
  sockets.close()
  http.close()
})

/** The server's end of a socket whose client is opened by `open`. */
async function accept<T>(open: () => T) {
  const accepted = once(sockets, 'connection') as Promise<[WebSocket, IncomingMessage]>
  const client = open()
  const [webSocket, { socket }] = await accepted
  webSocket.on('error', () => {})
  const line: WriterConnection = {
    ...{ socket, carrier: webSocket, framing: textFraming },
    cut: () => webSocket.terminate(),
  }
  const writes: { messages: number; bytes: number }[] = []
  const schedule = new WriteSchedule({ written: (messages, bytes) => writes.push({ messages, bytes }) }, noFallbacks)
  return { client, webSocket, socket, writes, schedule, writer: new SocketWriter(line, schedule) }
}

async function openPlain() {
  const pair = await accept(() => new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false }))
  await once(pair.client, 'open')
  return pair
}

/** A client that has no WebSocket library: bytes are taken apart here. */
const openBare = () =>
  accept(() => {
    const socket = connect(port, '127.0.0.1')
    const key = Buffer.alloc(16).toString('base64')
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    return socket
  })

/** What comes after the handshake. */
function framesOf(socket: Socket) {
  const parser = new FrameParser()
  let head: Buffer | undefined = Buffer.alloc(0)
  const texts: string[] = []
  let pongs = 0
  let closes = 0
  socket.on('data', (bytes: Buffer) => {
    let rest = bytes
    if (head) {
      head = Buffer.concat([head, bytes])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      rest = head.subarray(end + 4)
      head = undefined
    }
    for (const { opcode, payload } of parser.push(rest)) {
      assert.equal(closes, 0, 'a frame after the close frame')
      if (opcode === 1) texts.push(textOf(payload))
      else if (opcode === 8) closes += 1
      else if (opcode === 10) pongs += 1
      else assert.fail(`opcode ${opcode}`)
    }
  })
  return { texts, pongs: () => pongs, closes: () => closes, left: () => parser.left }
}

class TestProducer implements MessageProducer {
  readonly prefix: Buffer
  goesOn = 0
  onGoOn: () => void = () => {}

  constructor(name: string) {
    this.prefix = Buffer.from(`${name}:`)
  }

  resume(): void {
    this.goesOn += 1
    this.onGoOn()
  }
}

const update = updateOf('A', 1)
const rendered = (text: string): RenderedUpdate => ({ update, payload: Buffer.from(text) })
/** So many bytes of UTF-8, with characters of one to four bytes. */
function textOfBytes(bytes: number): string {
  const whole = '$£€𝄞'.repeat(Math.ceil(bytes / 10))
  let text = ''
  let length = 0
  for (const character of whole) {
    const more = Buffer.byteLength(character)
    if (length + more > bytes) break
    text += character
    length += more
  }
  return text + 'x'.repeat(bytes - length)
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, 122, 123, 124, 125, 126, 127, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 100_000),
  fc.integer({ min: 1, max: 600 }),
  fc.integer({ min: 1, max: 100_000 }),
)
const steps = fc.oneof(
  { weight: 8, arbitrary: fc.record({ stream: fc.nat(2), size: sizes }) },
  { weight: 2, arbitrary: fc.record({ own: sizes }) },
  { weight: 1, arbitrary: fc.constant('ping' as const) },
  { weight: 2, arbitrary: fc.constant('turn' as const) },
  { weight: 1, arbitrary: fc.constant('flush' as const) },
)

/** Plays the steps; returns the messages that have to arrive, in order. */
async function play(
  { writer, webSocket }: Awaited<ReturnType<typeof openPlain | typeof openBare>>,
  steps: readonly ({ stream: number; size: number } | { own: number } | 'ping' | 'turn' | 'flush')[],
  ping: () => void,
): Promise<string[]> {
  const streams = [0, 1, 2].map((i) => new TestProducer(String(i)))
  const expected: string[] = []
  for (const step of steps) {
    if (step === 'ping') ping()
    else if (step === 'turn') await nextTurn()
    else if (step === 'flush') writer.flush()
    else if ('own' in step) {
      const text = textOfBytes(step.own)
      writer.writeAll()
      webSocket.send(text)
      expected.push(text)
    } else {
      // Only while the reader keeps up may anything be sent.
      while (writer.needsDrain) await nextTurn()
      const text = textOfBytes(step.size)
      writer.send(streams[step.stream] ?? assert.fail(), rendered(text))
      expected.push(`${step.stream}:${text}`)
    }
  }
  return expected
}

test('what a ws client receives is each message once, whole and in order, between messages of ws itself', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), async (steps) => {
      const pair = await openPlain()
      const texts: string[] = []
      pair.client.on('message', (data, isBinary) => texts.push(isBinary ? 'binary' : String(data)))
      const expected = await play(pair, steps, () => pair.webSocket.ping())
      await eventually(() => texts.length >= expected.length, 'all messages')
      assert.deepEqual(texts, expected)
      pair.client.terminate()
    }),
    { numRuns: 60 },
  )
})

test('the bytes are frames as the standard has them, with each message in one of its own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), async (steps) => {
      const pair = await openBare()
      const { texts, pongs, left } = framesOf(pair.client)
      let pings = 0
      const expected = await play(pair, steps, () => {
        pings += 1
        pair.client.write(clientFrame(9, Buffer.from('?')))
      })
      await eventually(() => texts.length >= expected.length && pongs() >= pings, 'all messages')
      assert.deepEqual(texts, expected)
      assert.equal(left(), 0)
      pair.client.destroy()
    }),
    { numRuns: 60 },
  )
})

/** A writer on a socket of its own, with a mocked clock for what it gathers. */
async function onMockedClock(t: TestContext) {
  const pair = await openBare()
  let nowMs = 1000
  t.mock.method(performance, 'now', () => nowMs)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => pair.client.destroy())
  const schedule = new WriteSchedule(
    { written: (messages, bytes) => pair.writes.push({ messages, bytes }) },
    noFallbacks,
  )
  const { socket, webSocket } = pair
  const line: WriterConnection = { socket, carrier: webSocket, framing: textFraming, cut: () => {} }
  return {
    ...pair,
    schedule,
    writer: new SocketWriter(line, schedule),
    /** Time in which nothing is done. */
    async pass(ms: number) {
      await nextTurn()
      nowMs += ms
      t.mock.timers.tick(ms)
    },
    /** Time that the process is busy. */
    spend(ms: number) {
      nowMs += ms
    },
    async messages() {
      await nextTurn()
      return pair.writes.splice(0).map(({ messages }) => messages)
    },
  }
}

test('a message on a quiet socket leaves at once, and what follows within five milliseconds leaves together', async (t) => {
  const { writer, pass, messages, client } = await onMockedClock(t)
  const { texts } = framesOf(client)
  const stream = new TestProducer('s')
  writer.send(stream, rendered('1'))
  assert.deepEqual(await messages(), [1])
  for (const text of ['2', '3', '4']) writer.send(stream, rendered(text))
  await pass(4)
  assert.deepEqual(await messages(), [])
  await pass(1)
  assert.deepEqual(await messages(), [3])
  await pass(5)
  writer.send(stream, rendered('5'))
  assert.deepEqual(await messages(), [1])
  await pass(5)
  const large = textOfBytes(20_000)
  writer.send(stream, rendered(large))
  assert.deepEqual(await messages(), [1])
  t.mock.timers.reset()
  await eventually(() => texts.length === 6, 'all messages')
  assert.deepEqual(texts, ['s:1', 's:2', 's:3', 's:4', 's:5', `s:${large}`], 'each in a frame of its own')
})

test('while seven tenths of the time go into writing, quiet sockets gather too, and for longer; after that they do not', async (t) => {
  const { schedule, writer, pass, spend, messages } = await onMockedClock(t)
  const stream = new TestProducer('s')
  spend(60)
  assert.equal(schedule.nowMs, performance.now(), 'a spell of writing begins')
  spend(140)
  await nextTurn()
  writer.send(stream, rendered('1'))
  assert.deepEqual(await messages(), [])
  await pass(19)
  assert.deepEqual(await messages(), [])
  await pass(1)
  assert.deepEqual(await messages(), [1])
  await pass(200)
  writer.send(stream, rendered('2'))
  assert.deepEqual(await messages(), [1], 'the time in which nothing was written counts')
})

test('a message that is too much to gather leaves with what was gathered', async (t) => {
  const { writer, messages } = await onMockedClock(t)
  const stream = new TestProducer('s')
  writer.send(stream, rendered('1'))
  writer.send(stream, rendered('2'))
  writer.send(stream, rendered(textOfBytes(70_000)))
  assert.deepEqual(await messages(), [1, 2])
})

test('what the system has not taken yet keeps its bytes, whatever is sent to others meanwhile', async (t) => {
  const { schedule, socket, writer, client, pass } = await onMockedClock(t)
  const { texts } = framesOf(client)
  const next = await openBare()
  const other = new SocketWriter({ ...next, carrier: next.webSocket, framing: textFraming, cut: () => {} }, schedule)
  const stream = new TestProducer('s')
  client.pause()
  const expected: string[] = []
  while (socket.writableLength === 0) {
    const text = `${expected.length}`.padStart(10_000, ' ')
    writer.send(stream, rendered(text))
    expected.push(`s:${text}`)
    await pass(5)
  }
  const digits = Array.from('0123456789')
  for (const digit of digits) {
    other.send(stream, rendered(digit.repeat(10_000)))
    await pass(5)
  }
  client.resume()
  t.mock.timers.reset()
  await eventually(() => texts.length >= expected.length, 'all messages')
  assert.deepEqual(texts, expected)
  next.client.destroy()
})

test('of one update every socket gets its own message, and what is sent to one after it comes after it', async (t) => {
  const { schedule, pass } = await onMockedClock(t)
  const pairs: Awaited<ReturnType<typeof openBare>>[] = []
  while (pairs.length < 70) pairs.push(await openBare())
  const readers = pairs.map(({ client }) => framesOf(client))
  const writers = pairs.map(
    (pair) => new SocketWriter({ ...pair, carrier: pair.webSocket, framing: textFraming, cut: () => {} }, schedule),
  )
  const streams = pairs.map((_, i) => new TestProducer(`${i}`))
  await pass(5)
  for (const text of ['one', 'two']) {
    for (const [i, writer] of writers.entries()) writer.send(streams[i] as MessageProducer, rendered(text))
  }
  for (const writer of writers.slice(0, 10)) writer.writeAll()
  await pass(5)
  t.mock.timers.reset()
  await eventually(() => readers.every(({ texts }) => texts.length === 2), 'all messages')
  assert.deepEqual(
    readers.map(({ texts }) => texts),
    pairs.map((_, i) => [`${i}:one`, `${i}:two`]),
  )
  for (const { client } of pairs) client.destroy()
})

test('a pass over many sockets lets others have their turn every few milliseconds, and what comes meanwhile leaves in the next', async (t) => {
  const { schedule, pass, spend, writes } = await onMockedClock(t)
  const pairs: Awaited<ReturnType<typeof openBare>>[] = []
  while (pairs.length < 100) pairs.push(await openBare())
  const readers = pairs.map(({ client }) => framesOf(client))
  const stream = new TestProducer('s')
  const writers = pairs.map(({ socket, webSocket }) => {
    const carrier = {
      get readyState() {
        spend(0.1)
        return webSocket.readyState
      },
    }
    return new SocketWriter({ socket, carrier, framing: textFraming, cut: () => {} }, schedule)
  })
  await pass(5)
  for (const text of ['one', 'two']) for (const writer of writers) writer.send(stream, rendered(text))
  writes.length = 0
  await pass(20)
  const inFirstTurn = writes.length
  assert.ok(inFirstTurn >= 20 && inFirstTurn <= 50, `${inFirstTurn} writes before others had their turn`)
  for (const writer of writers) writer.send(stream, rendered('three'))
  for (let turn = 0; turn < 10; turn++) await nextTurn()
  assert.deepEqual(
    writes.map(({ messages }) => messages),
    [...Array(inFirstTurn).fill(1), ...Array(100 - inFirstTurn).fill(2)],
  )
  await pass(20)
  for (let turn = 0; turn < 10; turn++) await nextTurn()
  t.mock.timers.reset()
  await eventually(() => readers.every(({ texts }) => texts.length === 3), 'all messages')
  for (const { texts } of readers) assert.deepEqual(texts, ['s:one', 's:two', 's:three'])
  for (const { client } of pairs) client.destroy()
})

test('a pass takes half as long a turn as others have taken, so that it ends also where they have fallen behind', async (t) => {
  const { schedule, pass, spend, writes } = await onMockedClock(t)
  const pairs: Awaited<ReturnType<typeof openBare>>[] = []
  while (pairs.length < 150) pairs.push(await openBare())
  const stream = new TestProducer('s')
  const writers = pairs.map(({ socket, webSocket }) => {
    const carrier = {
      get readyState() {
        spend(0.1)
        return webSocket.readyState
      },
    }
    return new SocketWriter({ socket, carrier, framing: textFraming, cut: () => {} }, schedule)
  })
  await pass(5)
  for (const text of ['one', 'two']) for (const writer of writers) writer.send(stream, rendered(text))
  writes.length = 0
  await pass(20)
  const inFirstTurn = writes.length
  assert.ok(inFirstTurn <= 50, `${inFirstTurn} writes before others had their turn`)
  spend(40)
  await nextTurn()
  assert.equal(writes.length, 150)
  for (const { client } of pairs) client.destroy()
})

test('of short messages no write is longer than what Node takes from its pool', async (t) => {
  const { writer, pass, writes } = await onMockedClock(t)
  const stream = new TestProducer('s')
  await pass(5)
  for (let i = 0; i < 300; i++) writer.send(stream, rendered('x'.repeat(200)))
  await pass(5)
  assert.equal(
    writes.reduce((sum, { messages }) => sum + messages, 0),
    300,
  )
  const longest = Math.max(...writes.map(({ bytes }) => bytes))
  assert.ok(longest < Math.min(32 * 1024, Buffer.poolSize / 2), `${longest}`)
})

for (const [what, passMs, leftMs] of [
  ['when twice as long is over as writing to all of them took', 40, 40],
  ['240 ms after writing began where writing takes longer', 200, 40],
] as const) {
  test(`sockets are written to again ${what}, and no sooner`, async (t) => {
    const { schedule, pass, spend, writes, socket, webSocket } = await onMockedClock(t)
    const carrier = {
      get readyState() {
        spend(passMs)
        return webSocket.readyState
      },
    }
    const writer = new SocketWriter({ socket, carrier, framing: textFraming, cut: () => {} }, schedule)
    const stream = new TestProducer('s')
    for (const text of ['1', '2']) writer.send(stream, rendered(text))
    await pass(5)
    writes.length = 0
    writer.send(stream, rendered('3'))
    await pass(leftMs - 1)
    assert.equal(writes.length, 0)
    await pass(1)
    assert.equal(writes.length, 1)
  })
}

/** Sends until the reader is behind, which reads nothing; returns how many messages that took. */
function fill(writer: SocketWriter, stream: MessageProducer, size: number): number {
  let count = 0
  while (!writer.needsDrain) {
    writer.send(stream, rendered(`${count}`.padStart(size, ' ')))
    count += 1
  }
  return count
}

test('for a reader that stands still no more is taken on than two writes and what is gathered: under 320 KiB', async () => {
  const { writer, socket, client, writes } = await openBare()
  client.pause()
  const stream = new TestProducer('s')
  let sent = 0
  // What the system takes first frees the socket again for a while.
  for (let i = 0; i < 50; i++) {
    while (!writer.needsDrain) {
      writer.send(stream, rendered(textOfBytes(1000)))
      sent += 1002
    }
    await nextTurn()
  }
  const written = writes.reduce((sum, { bytes }) => sum + bytes, 0)
  const gathered = sent - (written - 4 * writes.reduce((sum, { messages }) => sum + messages, 0))
  assert.ok(socket.writableLength + gathered < 320 * 1024, `${socket.writableLength} and ${gathered}`)
  assert.ok(socket.writableLength > 0)
  client.destroy()
})

test('streams are told to go on when the reader has read, each in turn, those first that have had none', async () => {
  const { writer, client } = await openBare()
  const { texts } = framesOf(client)
  client.pause()
  const streams = ['a', 'b', 'c'].map((name) => new TestProducer(name))
  const turns: string[] = []
  for (const stream of streams) {
    stream.onGoOn = () => {
      turns.push(String(stream.prefix))
      fill(writer, stream, 60_000)
      writer.resumeOnDrain(stream)
    }
  }
  const count = fill(writer, streams[0] ?? assert.fail(), 60_000)
  for (const stream of streams) writer.resumeOnDrain(stream)
  client.resume()
  await eventually(() => turns.length >= 9, 'nine turns')
  assert.deepEqual(turns.slice(0, 9), ['a:', 'b:', 'c:', 'a:', 'b:', 'c:', 'a:', 'b:', 'c:'])
  await eventually(() => texts.length > count, 'what was held')
  client.destroy()
})

test('what waits of a stream that is dropped is not sent, what waits of the others is', async (t) => {
  const { writer, pass, client } = await onMockedClock(t)
  const { texts } = framesOf(client)
  const [kept, dropped] = [new TestProducer('k'), new TestProducer('d')]
  for (const stream of [kept, dropped, kept, dropped]) writer.send(stream, rendered('1'))
  writer.discard(dropped)
  await pass(5)
  t.mock.timers.reset()
  await eventually(() => texts.length >= 2, 'the messages')
  await nextTurn()
  assert.deepEqual(texts, ['k:1', 'k:1'])
})

test('after the close frame nothing more is written', async (t) => {
  const { writer, webSocket, pass, client } = await onMockedClock(t)
  const { texts, closes } = framesOf(client)
  const stream = new TestProducer('s')
  writer.send(stream, rendered('1'))
  writer.send(stream, rendered('2'))
  webSocket.close(1001)
  writer.send(stream, rendered('3'))
  writer.writeAll()
  await pass(5)
  t.mock.timers.reset()
  await eventually(() => closes() === 1, 'the close frame')
  await nextTurn()
  assert.deepEqual(texts, ['s:1'])
})

test('a socket that closes leaves nothing waiting, and is behind no more', async () => {
  const { writer, socket, client } = await openBare()
  client.pause()
  const stream = new TestProducer('s')
  fill(writer, stream, 60_000)
  writer.resumeOnDrain(stream)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  client.destroy()
  await closed
  assert.equal(writer.needsDrain, false)
  assert.equal(stream.goesOn, 0)
})
