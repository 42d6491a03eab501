import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { eventually, inTime, metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { type ServerProcess, startProcess } from '../../support/process.ts'
import { startProxy } from '../../support/proxy.ts'

const symbols = ['AAPL', 'BTC-USD']
const database = await createTestDatabase()
const startServer = (): Promise<ServerProcess> =>
  startProcess(['all'], {
    ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '20' },
  })
let server = await startServer()
after(async () => {
  await server[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})
const portOf = ({ api }: ServerProcess): number => Number(new URL(api).port)

interface Example extends AsyncDisposable {
  /** What it has printed, without the last line, which may not be whole. */
  lines(): string[]
  readonly stderr: () => string
  readonly exited: Promise<number | null>
}

function runExample(port: number, wanted = symbols): Example {
  const child = spawn(process.execPath, ['examples/live-prices.ts', `ws://127.0.0.1:${port}/graphql`, ...wanted], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return {
    lines: () => out.split('\n').slice(0, -1),
    stderr: () => err,
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}

/** How often a symbol began anew and how much of it was left out; throws where a gap was not told, or an update came twice. */
function followed(lines: readonly string[], symbol: string): { begun: number; missed: number; seq: number } {
  let begun = 0
  let missed = 0
  let seq = Number.NaN
  for (const line of lines) {
    const [, of, kind, number] = /^(\S+) (SNAPSHOT|TICK|STATUS|GAP) (\d+)( [\d.]+)?$/.exec(line) ?? assert.fail(line)
    if (of !== symbol) continue
    if (kind === 'GAP') {
      missed += Number(number)
      seq += Number(number)
      continue
    }
    if (kind === 'SNAPSHOT') begun += 1
    else assert.equal(Number(number), seq + 1, `${line} after ${seq}`)
    seq = Number(number)
  }
  return { begun, missed, seq }
}

/** Waits until it has told so many more updates of each symbol. */
async function goesOn(example: Example, count = 5): Promise<void> {
  const before = symbols.map((symbol) => linesOf(example, symbol))
  const goes = (): boolean => symbols.every((symbol, i) => linesOf(example, symbol) >= (before[i] ?? 0) + count)
  await eventually(goes, 'the example goes on').catch((error: Error) => assert.fail(error.message + example.stderr()))
}

const linesOf = (example: Example, symbol: string): number =>
  example.lines().filter((line) => line.startsWith(`${symbol} `)).length

/** Waits until the server has told of so many more prices, whoever hears them. */
async function pricesPass(count: number): Promise<void> {
  const told = (): Promise<number> => metric(server.metrics, 'finstage_feed_updates_total')
  const before = await told()
  await eventually(async () => (await told()) >= before + count, 'prices')
}

test('the example prints every price once and in order although connections are lost, and begins only once', async () => {
  await using proxy = await startProxy()
  proxy.lead(portOf(server))
  await using example = runExample(proxy.port)
  await goesOn(example)
  for (let round = 0; round < killRounds; round++) {
    proxy.lead(null)
    proxy.cut()
    await pricesPass(20)
    proxy.lead(portOf(server))
    await goesOn(example)
  }
  for (const symbol of symbols) {
    const { begun, missed } = followed(example.lines(), symbol)
    assert.deepEqual({ begun, missed }, { begun: 1, missed: 0 })
  }
})

test('the example replaces a silent connection, and prints what it has missed', async () => {
  await using proxy = await startProxy()
  proxy.lead(portOf(server))
  await using example = runExample(proxy.port)
  await goesOn(example)
  proxy.mute()
  const stood = example.lines().length
  await eventually(() => example.lines().length > stood, 'another connection')
  await goesOn(example)
  for (const symbol of symbols) {
    const { begun, missed } = followed(example.lines(), symbol)
    assert.deepEqual({ begun, missed }, { begun: 1, missed: 0 })
  }
})

test('when the server is killed and starts again, the example goes on by itself and prints that it begins anew', async () => {
  await using proxy = await startProxy()
  proxy.lead(portOf(server))
  await using example = runExample(proxy.port)
  await goesOn(example)
  server.kill('SIGKILL')
  await server.exited
  server = await startServer()
  proxy.lead(portOf(server))
  await goesOn(example)
  for (const symbol of symbols) {
    const { begun, missed } = followed(example.lines(), symbol)
    assert.deepEqual({ begun, missed }, { begun: 2, missed: 0 })
  }
})

test('the example prints how many updates were left out', async () => {
  await using peer = await serverThatTells([
    { kind: 'SNAPSHOT', symbol: 'AAPL', price: 1, seq: 5, cursor: 'a' },
    { kind: 'TICK', symbol: 'AAPL', price: 2, seq: 9, cursor: 'b' },
    { kind: 'TICK', symbol: 'AAPL', price: 3, seq: 10, cursor: 'c' },
  ])
  await using example = runExample(peer.port)
  await eventually(() => example.lines().length === 4, 'three updates and a gap')
  assert.deepEqual(example.lines(), ['AAPL SNAPSHOT 5 1', 'AAPL GAP 3', 'AAPL TICK 9 2', 'AAPL TICK 10 3'])
})

test('asked for an unknown symbol, the example exits and says why', async () => {
  await using example = runExample(portOf(server), ['AAPL', 'NOPE'])
  assert.equal(await inTime(example.exited, 'the exit'), 1)
  assert.match(example.stderr(), /The source knows no symbol NOPE/)
})

/** Speaks just enough of graphql-transport-ws to tell some updates. */
async function serverThatTells(updates: readonly object[]): Promise<AsyncDisposable & { port: number }> {
  const peer = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'graphql-transport-ws' })
  peer.on('connection', (socket) => {
    socket.on('message', (text) => {
      const { type, id } = JSON.parse(String(text)) as { type: string; id?: string }
      if (type === 'connection_init') socket.send('{"type":"connection_ack"}')
      if (type !== 'subscribe') return
      for (const priceUpdates of updates) {
        socket.send(JSON.stringify({ id, type: 'next', payload: { data: { priceUpdates } } }))
      }
    })
  })
  await once(peer, 'listening')
  return {
    port: (peer.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of peer.clients) socket.terminate()
      peer.close()
      await once(peer, 'close')
    },
  }
}
