import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LiveLimits } from '../../../src/http/connections/limits.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { startPriceServer } from '../../support/clients/price-server.ts'
import { PriceTrack } from '../../support/clients/price-track.ts'
import { RawClient } from '../../support/clients/raw-client.ts'
import {
  fat,
  mebibyte,
  reader,
  sseReader,
  symbolsOf,
  thin,
  tickUntilStuck,
  unsent,
} from '../../support/clients/stalled-readers.ts'

const none = { repeated: 0, outOfOrder: 0 }

/** A server whose seconds pass when the test says so. */
async function startOnClock(t: TestContext, limits: Partial<LiveLimits> = {}) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const server = await startPriceServer({ limits })
  return {
    server,
    pass: (seconds: number): void => {
      for (let i = 0; i < seconds; i++) t.mock.timers.tick(1000)
    },
    [Symbol.asyncDispose]: async () => {
      t.mock.timers.reset()
      await server.stop()
    },
  }
}

test('for a stalled reader under 1 MiB is held, and when it reads again it gets the newest of each symbol', async () => {
  await using server = await startPriceServer()
  const symbols = symbolsOf(50)
  const slow = await reader(server, symbols, fat)
  const fast = await reader(server, symbols)
  slow.client.stall()
  const most = await tickUntilStuck(server, symbols)
  assert.ok(most > 0 && most < mebibyte, `${most}`)
  for (let round = 0; round < 50; round++) {
    server.tick(...symbols)
    await nextTurn()
  }
  assert.ok((await unsent(server)) < mebibyte)
  const seen = slow.track.count
  slow.client.readOn()
  const isNewest = (track: PriceTrack): boolean =>
    symbols.every((symbol) => track.seqOf(symbol) === server.seqOf(symbol))
  await eventually(() => isNewest(slow.track), 'the newest of each symbol')
  assert.deepEqual(slow.track.faults, none)
  assert.ok(slow.track.missing > 50 * 50, 'much was left out')
  assert.equal(await server.metric('finstage_conflated_total'), slow.track.missing, 'and counted')
  assert.ok(slow.track.count - seen < 10 * symbols.length * 50)
  const { missing } = slow.track
  server.tick(...symbols)
  await eventually(() => isNewest(slow.track) && isNewest(fast.track), 'what comes after that')
  assert.equal(slow.track.missing, missing, 'from there on nothing is left out')
  assert.deepEqual([fast.track.missing, fast.track.faults], [0, none], 'and the other has got everything')
  slow.client.cut()
  fast.client.cut()
  await server.deserted()
})

test('over SSE a bounded amount is held for a stalled reader of a fast symbol, and when it reads again it gets the newest, in order', async () => {
  await using server = await startPriceServer()
  const taken = (): Promise<number> => server.metric('finstage_price_deliveries_total')
  const { client, track } = await sseReader(server, ['FAST'])
  client.stall()
  const most = await tickUntilStuck(server, ['FAST'])
  assert.ok(most > 0 && most < mebibyte, `${most}`)
  const tickMany = async (ticks: number): Promise<void> => {
    for (let tick = 1; tick <= ticks; tick++) {
      server.tick('FAST')
      if (tick % 100 === 0) await nextTurn()
    }
  }
  // The queue of the reader is full after these.
  await tickMany(3000)
  const takenBefore = await taken()
  await tickMany(20_000)
  assert.deepEqual([await taken(), await unsent(server)], [takenBefore, most])
  client.readOn()
  await eventually(() => track.seqOf('FAST') === server.seqOf('FAST'), 'the newest')
  assert.deepEqual(track.faults, none)
  const { missing } = track
  assert.ok(missing > 20_000)
  assert.equal(await server.metric('finstage_conflated_total'), missing, 'what was left out is what was counted')
  server.tick('FAST')
  await eventually(() => track.seqOf('FAST') === server.seqOf('FAST'), 'what comes after that')
  assert.equal(track.missing, missing, 'from there on nothing is left out')
  client.cut()
  await server.deserted()
})

test('over SSE a reader that takes nothing for half a minute is cut, one that takes something is not', async (t) => {
  await using clocked = await startOnClock(t)
  const { server, pass } = clocked
  const cut = () => server.metric('finstage_live_refused_total', { limit: 'too_slow' })
  const moving = await sseReader(server, ['A'])
  for (let round = 0; round < 3; round++) {
    moving.client.stall()
    await tickUntilStuck(server, ['A'])
    pass(29)
    const before = await unsent(server)
    moving.client.readOn()
    await eventually(async () => (await unsent(server)) < before, 'that something was taken')
  }
  await eventually(() => moving.track.seqOf('A') === server.seqOf('A'), 'all')
  for (let second = 0; second < 60; second++) {
    pass(1)
    // A comment that keeps the connection alive has to get away.
    await nextTurn()
  }
  assert.equal(await cut(), 0)
  const standing = await sseReader(server, ['A'])
  standing.client.stall()
  await tickUntilStuck(server, ['A'])
  pass(29)
  assert.equal(await cut(), 0)
  pass(1)
  assert.equal(await cut(), 1)
  await eventually(async () => (await server.metric('finstage_live_connections')) === 1, 'that it has gone')
  await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 1, 'its prices too')
  standing.client.readOn()
  await inTime(standing.client.closed, 'the end')
  await eventually(() => moving.track.seqOf('A') === server.seqOf('A'), 'the newest')
  assert.deepEqual(moving.track.faults, none)
  moving.client.cut()
  await server.deserted()
})

test('a hundred subscriptions of 200 symbols each on one stalled socket leave under 1 MiB unsent, and all come to the newest', async () => {
  await using server = await startPriceServer()
  const subscriptions = symbolsOf(100, 'T').map((prefix) => symbolsOf(200, `${prefix}-`))
  const symbols = subscriptions.flat()
  const track = new PriceTrack()
  const client = await RawClient.open(server.api, track.takeMessage)
  for (const [i, of] of subscriptions.entries()) client.subscribe(String(i), thin, { s: of })
  await eventually(() => track.last.size === symbols.length, 'the first prices')
  client.stall()
  const most = await tickUntilStuck(server, symbols)
  assert.ok(most > 0 && most < mebibyte, `${most}`)
  for (let round = 0; round < 68; round++) server.tick(...symbols)
  assert.ok((await unsent(server)) < mebibyte)
  client.readOn()
  await eventually(
    () => symbols.every((symbol) => track.seqOf(symbol) === server.seqOf(symbol)),
    'the newest of each symbol',
  )
  assert.deepEqual(track.faults, none)
  client.cut()
  await server.deserted()
})

test('a reader that is behind when a new run begins gets a SNAPSHOT, whatever ticks have come since', async () => {
  await using server = await startPriceServer()
  const symbols = symbolsOf(20)
  const { client, track } = await reader(server, symbols, fat)
  client.stall()
  await tickUntilStuck(server, symbols)
  server.newRun()
  for (let round = 0; round < 3; round++) server.tick(...symbols)
  client.readOn()
  await eventually(() => symbols.every((symbol) => track.seqOf(symbol) === 3), 'the newest of each symbol')
  assert.deepEqual(
    symbols.map((symbol) => [track.last.get(symbol)?.kind, track.snapshots.get(symbol)]),
    symbols.map(() => ['SNAPSHOT', 2]),
  )
  server.tick(...symbols)
  await eventually(() => symbols.every((symbol) => track.last.get(symbol)?.kind === 'TICK'), 'ticks of the new run')
  assert.deepEqual(track.faults, none)
  client.cut()
})

test('a reader that takes nothing for thirty seconds is cut with 4413, one that takes some is not', async (t) => {
  await using clocked = await startOnClock(t, { pingSeconds: 300 })
  const { server, pass } = clocked
  const symbols = symbolsOf(20)
  const cut = () => server.metric('finstage_live_refused_total', { limit: 'too_slow' })
  const moving = await reader(server, symbols, fat)
  for (let round = 0; round < 3; round++) {
    moving.client.stall()
    await tickUntilStuck(server, symbols)
    pass(29)
    const before = await unsent(server)
    moving.client.readOn()
    await eventually(async () => (await unsent(server)) < before, 'that something was taken')
  }
  pass(60)
  assert.equal(await cut(), 0)
  const standing = await reader(server, symbols, fat)
  standing.client.stall()
  await tickUntilStuck(server, symbols)
  pass(29)
  server.tick(...symbols)
  assert.equal(await cut(), 0)
  pass(1)
  assert.equal(await cut(), 1)
  standing.client.readOn()
  assert.equal(await inTime(standing.client.closed, 'the end'), 4413)
  server.tick(...symbols)
  await eventually(() => symbols.every((symbol) => moving.track.seqOf(symbol) === server.seqOf(symbol)), 'the newest')
  assert.deepEqual(moving.track.faults, none)
  moving.client.cut()
  await server.deserted()
})

test('a reader that is cut is gone after a few seconds, even if it never reads again', async (t) => {
  await using clocked = await startOnClock(t)
  const { server, pass } = clocked
  const symbols = symbolsOf(20)
  const { client } = await reader(server, symbols, fat)
  client.stall()
  await tickUntilStuck(server, symbols)
  pass(30)
  await server.deserted()
})

test('a client that is behind need not answer a ping before it has read', async (t) => {
  await using clocked = await startOnClock(t, { pingSeconds: 5 })
  const { server, pass } = clocked
  const symbols = symbolsOf(20)
  const { client, track } = await reader(server, symbols, fat)
  client.stall()
  await tickUntilStuck(server, symbols)
  pass(20)
  client.readOn()
  await eventually(() => symbols.every((symbol) => track.seqOf(symbol) === server.seqOf(symbol)), 'the newest')
  assert.equal(await server.metric('finstage_live_refused_total', { limit: 'ping_timeout' }), 0)
  client.cut()
})

for (const [what, leave] of [
  ['completes its subscription', (client: RawClient) => client.complete('1')],
  ['goes away without a word', (client: RawClient) => client.cut()],
] as const) {
  test(`a reader that ${what} while it is behind leaves nothing`, async () => {
    await using server = await startPriceServer()
    const symbols = symbolsOf(20)
    const { client } = await reader(server, symbols, fat)
    client.stall()
    await tickUntilStuck(server, symbols)
    leave(client)
    await eventually(async () => (await server.metric('finstage_price_subscriptions')) === 0, 'no subscription')
    assert.equal(await server.metric('finstage_shared_executions'), 0)
    client.readOn()
    await eventually(async () => (await unsent(server)) === 0, 'nothing unsent')
    client.cut()
    await server.deserted()
  })
}

test('a server stops within a few seconds while readers are behind, and nothing is left', async () => {
  const server = await startPriceServer()
  const symbols = symbolsOf(20)
  const clients = [await reader(server, symbols, fat), await reader(server, symbols)]
  for (const { client } of clients) client.stall()
  await tickUntilStuck(server, symbols)
  await inTime(server.stop(), 'the stop')
  await server.deserted()
})
