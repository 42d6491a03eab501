import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodeCursor } from '../../../src/domain/price-update.ts'
import type { Ports } from '../../../src/resolvers/context.ts'
import { quoteOf } from '../../support/candles/prices.ts'
import { eventually, inTime, metric } from '../../support/clients/client.ts'
import {
  type FollowedUpdate,
  fatFollowQuery,
  followQuery,
  type Mark,
  PriceFollower,
  runOf,
} from '../../support/clients/price-follower.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { type Message, RawClient } from '../../support/clients/raw-client.ts'
import { overSse } from '../../support/clients/sse.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { type ServerProcess, startProcess } from '../../support/process.ts'
import { startTestStreamer } from '../../support/yahoo/test-streamer.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const none = { unannounced: 0, repeated: 0, outOfOrder: 0 }

const begun = (...followers: readonly PriceFollower[]): Promise<void> =>
  eventually(() => followers.every(({ snapshots }) => !snapshots.includes(0)), 'the first prices')

/** A source whose trades are the test's: in each round every symbol's price is 1 above the one before. */
async function startMarket(symbols: readonly string[]) {
  const yahoo = await startTestYahoo()
  const streamer = await startTestStreamer()
  let price = 1001
  let timeMs = Date.now()
  /** Quotes know the last price of each too, for a feed that begins. */
  const list = (): void => {
    for (const symbol of symbols) yahoo.setPrice(symbol, price, timeMs)
  }
  list()
  return {
    list,
    /** Pushes so many rounds to the feed that leads. */
    trade: (rounds: number): void => {
      for (const last = price + rounds; price < last; ) {
        price += 1
        timeMs = Math.max(timeMs + 1, Date.now())
        for (const symbol of symbols) streamer.push(symbol, { price, time: timeMs, marketHours: 1 })
      }
    },
    price: () => price,
    settings: { YAHOO_BASE_URL: yahoo.url, YAHOO_STREAM_URL: streamer.url },
    /** Waits until a feed hears of every trade. */
    heard: () =>
      eventually(() => {
        const subscribed = new Set(streamer.subscriptions().flat())
        return symbols.every((symbol) => subscribed.has(symbol))
      }, 'that a feed has subscribed'),
    [Symbol.asyncDispose]: async () => {
      await streamer.close()
      await yahoo.close()
    },
  }
}

/** What the witness was told beyond the point where the follower was at the mark. */
function toldSince(witness: PriceFollower, follower: PriceFollower, mark: Mark): FollowedUpdate[] {
  return follower.symbols.flatMap((symbol) => {
    const last = follower.updates.get(symbol)?.[(mark.get(symbol) ?? 0) - 1] ?? assert.fail()
    return (witness.updates.get(symbol) ?? []).filter(
      (update) => runOf(update) === runOf(last) && update.seq > last.seq,
    )
  })
}

/** Returns what breaks the connections over which servers hear others, of those that start from now on: they come back by themselves. */
async function deafener(database: TestDatabase): Promise<() => Promise<unknown>> {
  const listening = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'finstage bus'"
  const before = await database.query<{ pid: number }>(`SELECT pid ${listening}`)
  const pids = before.map(({ pid }) => pid)
  return () => database.query(`SELECT pg_terminate_backend(pid, 5000) ${listening} AND pid <> ALL($1)`, [pids])
}

test('through slowness, lost connections, other servers, another leader and a killed server every gap is told, nothing comes twice or out of order, and the last price is the newest', async () => {
  const symbols = ['AAPL', 'MSFT', 'BRK-B', '^GSPC', 'BTC-USD', 'EURUSD=X']
  await using database = await createTestDatabase()
  await using market = await startMarket(symbols)
  const start = (port = '0'): Promise<ServerProcess> =>
    startProcess(['all'], { DATABASE_URL: database.url, PORT: port, ...market.settings })
  /** Always there and never slow, at the server that leads first: what it was not told was not published. */
  await using witness = new PriceFollower(symbols)
  await using witnessElsewhere = new PriceFollower(symbols)
  await using follower = new PriceFollower(symbols, fatFollowQuery)
  const all = [witness, witnessElsewhere, follower]
  const newest = (...followers: readonly PriceFollower[]): Promise<void> =>
    eventually(
      () => followers.every((each) => symbols.every((symbol) => each.lastOf(symbol)?.price === market.price())),
      'the newest price of each symbol',
    )
  /** With how many SNAPSHOTs each symbol began anew: not counted is that nobody led when one came back. */
  const begins = ({ updates }: PriceFollower): number[] =>
    symbols.map((symbol) => updates.get(symbol)?.filter(({ kind, stale }) => kind === 'SNAPSHOT' && !stale).length ?? 0)
  const begunAnew = (times: number, ...followers: readonly PriceFollower[]): Promise<void> =>
    eventually(() => followers.every((each) => begins(each).every((count) => count > times)), 'another run')
  /** Each run numbers from 1, beginning with the price that is listed: by that the price of every number is known. */
  const firstPrices = new Map<string, number>()
  const noteRun = (): void => {
    const update = witness.lastOf('AAPL') ?? assert.fail()
    firstPrices.set(runOf(update), market.price() + 1 - update.seq)
  }
  const assertTrue = (): void => {
    for (const { faults, updates } of all) {
      assert.deepEqual(faults, none)
      for (const update of [...updates.values()].flat()) {
        // Of the hub, while nobody leads.
        if (update.stale) continue
        assert.equal(update.price, (firstPrices.get(runOf(update)) ?? Number.NaN) + update.seq - 1)
      }
    }
  }

  await using first = await start()
  await witness.connect(first.api)
  await follower.connect(first.api)
  await begun(witness, follower)
  await market.heard()
  const deafen = await deafener(database)
  await using second = await start()
  await witnessElsewhere.connect(second.api)
  await begun(...all)
  noteRun()

  // A reader that stops reading.
  follower.stall()
  for (let same = 0, before = 0; same < 3; ) {
    market.trade(25)
    await newest(witness)
    const now = await metric(first.metrics, 'finstage_live_unsent_bytes')
    same = now > 0 && now === before ? same + 1 : 0
    before = now
  }
  market.trade(50)
  await newest(witness)
  follower.readOn()
  await newest(...all)
  assertTrue()
  assert.equal(witness.missing, 0)
  assert.ok(follower.missing >= 49 * symbols.length, `${follower.missing}`)
  assert.equal(follower.missing, await metric(first.metrics, 'finstage_conflated_total'), 'no more than was conflated')

  // Connections that are lost.
  const leftOut = follower.missing
  const absences: Readonly<Record<string, () => Promise<void>>> = {
    'many were missed': async () => {
      await follower.leave()
      market.trade(200)
      await newest(witness)
      await follower.connect(first.api)
    },
    'it left between two': async () => {
      market.trade(20)
      await follower.leave()
      market.trade(20)
      await follower.connect(first.api)
      market.trade(20)
    },
    'it had not read what was on its way': async () => {
      follower.stall()
      market.trade(100)
      await newest(witness)
      await follower.leave()
      await follower.connect(first.api)
    },
    'nothing was missed': async () => {
      await follower.leave()
      await follower.connect(first.api)
    },
  }
  for (const [how, beAbsent] of Object.entries(absences)) {
    const mark = follower.mark()
    await beAbsent()
    market.trade(5)
    await newest(witness, follower)
    assert.deepEqual(follower.since(mark), toldSince(witness, follower, mark), how)
  }
  assert.deepEqual([follower.missing, witness.missing], [leftOut, 0])

  // Other servers, which may not have heard yet of what the client has seen, and are not told of each price under such haste.
  for (const [server, there] of [...Array(3)].flatMap(() => [
    [second, witnessElsewhere] as const,
    [first, witness] as const,
  ])) {
    const mark = follower.mark()
    market.trade(10)
    await follower.leave()
    market.trade(10)
    await follower.connect(server.api)
    market.trade(10)
    await newest(...all)
    assert.deepEqual(follower.since(mark), toldSince(there, follower, mark))
  }
  assert.equal(witness.missing, 0)

  // A server that has heard nothing for a while, which a client comes to that knows more.
  await deafen()
  market.trade(10)
  await newest(witness, follower)
  await follower.leave()
  await follower.connect(second.api)
  await newest(...all)
  market.trade(10)
  await newest(...all)
  assertTrue()

  // Another leader: the first is killed with prices on their way. One client is at the other server, one goes there at once, and
  // one comes back later.
  await follower.leave()
  market.trade(10)
  first.kill('SIGKILL')
  market.trade(10)
  market.list()
  await inTime(witness.closed, 'the end of the connection')
  await witness.connect(second.api)
  await begunAnew(1, witness, witnessElsewhere)
  noteRun()
  await follower.connect(second.api)
  await begunAnew(1, follower)
  const missing = all.map((each) => each.missing)
  await market.heard()
  market.trade(50)
  await newest(...all)
  assertTrue()

  // A restart.
  market.trade(10)
  second.kill('SIGKILL')
  await second.exited
  market.trade(10)
  market.list()
  for (const each of all) await inTime(each.closed, 'the end of the connection')
  await using restarted = await start(new URL(second.api).port)
  for (const each of all) await each.connect(restarted.api)
  await begunAnew(2, ...all)
  noteRun()
  await market.heard()
  market.trade(50)
  await newest(...all)
  assertTrue()
  const told = all.map((each) => ({ snapshots: begins(each), missing: each.missing }))
  assert.deepEqual(
    told,
    all.map((_, i) => ({ snapshots: symbols.map(() => 3), missing: missing[i] })),
    'each run began with one SNAPSHOT, and left nothing out',
  )
})

const symbolsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `S${i}`)

const cursorOf = (symbol: string, seq: number, run = 'run-1'): string => encodeCursor({ symbol, run, seq })

/** Waits until each has the newest price of all its symbols. */
const upToDate = (server: PriceServer, ...followers: readonly PriceFollower[]): Promise<void> =>
  eventually(
    () => followers.every((each) => each.symbols.every((symbol) => each.lastOf(symbol)?.seq === server.seqOf(symbol))),
    'the newest of each symbol',
  )

const shown = ({ kind, symbol, seq }: FollowedUpdate): string => `${kind} ${symbol} ${seq}`

const ticks = (symbol: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `TICK ${symbol} ${from + i}`)

test('a thousand missed updates of each of forty symbols come in order and as they were', async () => {
  await using server = await startPriceServer()
  await using follower = new PriceFollower(symbolsOf(40))
  await follower.connect(server.api)
  await begun(follower)
  await follower.leave()
  for (let i = 0; i < 1000; i++) server.tick(...follower.symbols)
  const backMs = Date.now()
  const mark = follower.mark()
  await follower.connect(server.api)
  await upToDate(server, follower)
  const missed = follower.since(mark)
  assert.deepEqual(
    missed.map(shown),
    follower.symbols.flatMap((symbol) => ticks(symbol, 2, 1001)),
  )
  assert.ok(missed.every(({ price, seq, publishedAt }) => price === seq && publishedAt <= backMs))
})

test('one who reads what was missed so slowly that more is missed meanwhile gets all of the one, then the newest', async () => {
  await using server = await startPriceServer()
  await using follower = new PriceFollower(symbolsOf(3), fatFollowQuery)
  await follower.connect(server.api)
  await begun(follower)
  await follower.leave()
  for (let i = 0; i < 980; i++) server.tick(...follower.symbols)
  const mark = follower.mark()
  await follower.connect(server.api)
  follower.stall()
  const unsent = (): Promise<number> => server.metric('finstage_live_unsent_bytes')
  await eventually(async () => (await unsent()) > 0, 'that it is behind')
  for (let i = 0; i < 20; i++) server.tick(...follower.symbols)
  follower.readOn()
  await upToDate(server, follower)
  const got = follower.since(mark).map(shown)
  const expected = follower.symbols.map((symbol) => [...ticks(symbol, 2, 981), `TICK ${symbol} 1001`])
  assert.deepEqual(got, expected.flat())
  assert.equal(follower.missing, 19 * 3)
})

test('a selection that has to wait keeps the order of what was missed, and leaves nothing out', async () => {
  let delay = 0
  const listing = async (symbol: string) => {
    // Those asked for first are answered last.
    for (let turns = 20 - (delay++ % 20); turns > 0; turns--) await nextTurn()
    return { instrument: { symbol, name: symbol }, quote: quoteOf(symbol, 1) }
  }
  await using server = await startPriceServer({ ports: { market: { listing } as unknown as Ports['market'] } })
  await using follower = new PriceFollower(['A', 'B'], followQuery('quote { instrument { name } }'))
  await follower.connect(server.api)
  await begun(follower)
  await follower.leave()
  for (let i = 0; i < 200; i++) server.tick('A', 'B')
  const mark = follower.mark()
  await follower.connect(server.api)
  await upToDate(server, follower)
  assert.deepEqual(follower.since(mark).map(shown), [...ticks('A', 2, 201), ...ticks('B', 2, 201)])
})

test('over SSE what was missed comes as over WebSocket, also where it is more than may wait', async () => {
  await using server = await startPriceServer()
  await using follower = new PriceFollower(symbolsOf(3))
  await follower.connect(server.api)
  await begun(follower)
  const variables = { s: follower.symbols, after: follower.cursors }
  const mark = follower.mark()
  for (let i = 0; i < 10; i++) {
    for (let j = 0; j < 100; j++) server.tick(...follower.symbols)
    await upToDate(server, follower)
  }
  const stop = new AbortController()
  const payloads = overSse(server.api, followQuery(), variables, stop.signal)
  await eventually(() => payloads.length === 3000, 'what was missed')
  server.tick(...follower.symbols)
  await upToDate(server, follower)
  await eventually(() => payloads.length >= 3003, 'what comes then')
  stop.abort()
  const updates = payloads.map(
    (text) => (JSON.parse(text) as { data: { priceUpdates: FollowedUpdate } }).data.priceUpdates,
  )
  for (const symbol of follower.symbols) {
    assert.deepEqual(
      updates.filter((update) => update.symbol === symbol),
      follower.since(mark).filter((update) => update.symbol === symbol),
    )
  }
})

test('a subscription that is begun anew on the same connection goes on where the one before was left', async () => {
  await using server = await startPriceServer()
  await using witness = new PriceFollower(symbolsOf(5))
  await using follower = new PriceFollower(symbolsOf(5))
  for (const each of [witness, follower]) await each.connect(server.api)
  await begun(witness, follower)
  for (let round = 0; round < 50; round++) {
    server.tick(...follower.symbols)
    for (let turns = round % 4; turns > 0; turns--) await nextTurn()
    server.tick(...follower.symbols)
    follower.subscribeAnew()
  }
  server.tick(...follower.symbols)
  await upToDate(server, witness, follower)
  assert.deepEqual([follower.faults, follower.missing], [none, 0])
  assert.deepEqual(
    follower.since(new Map()).filter(({ kind }) => kind === 'TICK'),
    witness.since(new Map()).filter(({ kind }) => kind === 'TICK'),
  )
  assert.deepEqual(follower.snapshots, [1, 1, 1, 1, 1])
})

test('what is older than is held is told of by a SNAPSHOT, which is fewer where many symbols are watched', async () => {
  await using server = await startPriceServer()
  await using crowd = await RawClient.open(server.api, () => {})
  for (const [i, letter] of ['T', 'U'].entries()) {
    const s = Array.from({ length: 200 - i }, (_, i) => `${letter}${i}`)
    crowd.subscribe(letter, 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { seq } }', { s })
  }
  // With it there are 400, and so 200,000 / 400 of each are held.
  await using follower = new PriceFollower(['A'])
  await follower.connect(server.api)
  await begun(follower)
  await eventually(async () => (await server.metric('finstage_watched_symbols')) === 400, 'the crowd')
  for (let seq = 2; seq <= 700; seq++) server.tick('A')
  await upToDate(server, follower)
  await using held = new PriceFollower(['A'])
  await held.connect(server.api, { after: [cursorOf('A', 200)] })
  await using lost = new PriceFollower(['A'])
  await lost.connect(server.api, { after: [cursorOf('A', 199)] })
  await upToDate(server, held, lost)
  server.tick('A')
  await upToDate(server, held, lost)
  assert.deepEqual(held.since(new Map()).map(shown), ticks('A', 201, 701))
  assert.deepEqual(lost.since(new Map()).map(shown), ['SNAPSHOT A 700', 'TICK A 701'])
})

test('a client ahead of the server it comes to hears nothing twice; one that comes from a later run hears a SNAPSHOT', async () => {
  await using server = await startPriceServer()
  await using follower = new PriceFollower(['A', 'B'])
  await follower.connect(server.api, { after: [cursorOf('A', 3), cursorOf('B', 3, 'run-2')] })
  await eventually(() => follower.lastOf('B')?.seq === 1, 'the subscription')
  for (let i = 0; i < 4; i++) server.tick('A', 'B')
  await upToDate(server, follower)
  assert.deepEqual(follower.since(new Map()).map(shown), ['TICK A 4', 'TICK A 5', 'SNAPSHOT B 1', ...ticks('B', 2, 5)])
})

test('cursors of symbols that are not asked for do no harm and no good; of several of one symbol the furthest counts', async () => {
  await using server = await startPriceServer()
  await using first = new PriceFollower(['A'])
  await first.connect(server.api, { after: [cursorOf('B', 1), cursorOf('S0', 9)] })
  await begun(first)
  for (let i = 0; i < 9; i++) server.tick('A')
  await upToDate(server, first)
  const earlier = [cursorOf('A', 4), cursorOf('A', 400, 'run-0')]
  for (const after of [
    [...earlier, cursorOf('A', 7)],
    [cursorOf('A', 7), ...earlier],
  ]) {
    await using follower = new PriceFollower(['A'])
    await follower.connect(server.api, { after })
    await upToDate(server, follower)
    assert.deepEqual(follower.since(new Map()).map(shown), ticks('A', 8, 10))
  }
})

test('what is no cursor, and more than 200 of them, are BAD_USER_INPUT, and the connection goes on', async () => {
  await using server = await startPriceServer()
  const messages: Message[] = []
  await using client = await RawClient.open(server.api, (message) => messages.push(message))
  const texts = [
    '',
    'A',
    'A run-1',
    'A run-1 -1',
    'A run-1 1.5',
    'A run-1 1e3',
    'A run-1 1 2',
    ' run-1 1',
    'A run-1 1\n',
  ]
  const malformed = [...texts, `${'A'.repeat(33)} run-1 1`, `A ${'r'.repeat(65)} 1`, `A run-1 ${'9'.repeat(16)}`]
  const cursors = symbolsOf(201).map((symbol) => cursorOf(symbol, 1))
  const wrong = [
    '%',
    cursorOf('A', 1).slice(0, -3),
    ...malformed.map((text) => Buffer.from(text).toString('base64url')),
  ]
  const orders = [...wrong.map((text) => [cursorOf('A', 1), text]), cursors]
  for (const [i, after] of orders.entries()) client.subscribe(`wrong ${i}`, followQuery(), { s: ['A'], after })
  client.subscribe('right', followQuery(), { s: ['A'], after: cursors.slice(1) })
  await eventually(() => messages.some(({ id }) => id === 'right'), 'the answer')
  const answers = messages.filter(({ id, type }) => id?.startsWith('wrong') && type === 'next')
  assert.deepEqual(
    answers.map(({ id, payload }) => [id, (payload as { errors: { extensions: object }[] }).errors[0]?.extensions]),
    orders.map((_, i) => [`wrong ${i}`, { code: 'BAD_USER_INPUT', field: 'after' }]),
  )
  server.tick('A')
  await eventually(() => messages.filter(({ id }) => id === 'right').length === 2, 'what goes on')
})

test('with throttleMs one who comes back gets the newest of what was missed at once, as TICK, and all the rest later', async () => {
  await using server = await startPriceServer()
  await using follower = new PriceFollower(['A', 'B', 'C'])
  await follower.connect(server.api)
  await begun(follower)
  await follower.leave()
  for (let i = 0; i < 50; i++) server.tick('A', 'B')
  const mark = follower.mark()
  await follower.connect(server.api, { throttleMs: 60_000 })
  await eventually(() => follower.lastOf('B')?.seq === 51, 'what was missed')
  // Of what comes within the window nothing is told; C's has not begun.
  for (let i = 0; i < 5; i++) server.tick('A', 'B')
  server.tick('C')
  await eventually(() => follower.lastOf('C')?.seq === 2, 'another')
  assert.deepEqual(follower.since(mark).map(shown), ['TICK A 51', 'TICK B 51', 'TICK C 2'])
  await follower.leave()
  await follower.connect(server.api)
  await upToDate(server, follower)
  assert.deepEqual(follower.since(mark).map(shown), [...ticks('A', 51, 56), ...ticks('B', 51, 56), 'TICK C 2'])
})
