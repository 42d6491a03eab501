import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CandleUpdateKind } from '../../../src/domain/candle-update.ts'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually, post, type Stream, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestStreamer, type TestStreamer } from '../../support/yahoo/test-streamer.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

interface Node {
  readonly time: string
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  readonly closed: boolean
}
interface Update {
  readonly candleUpdates: { readonly kind: CandleUpdateKind; readonly revision: number; readonly candle: Node }
}

const candleFields = 'time open high low close volume closed'

interface World {
  readonly app: TestApp
  readonly yahoo: TestYahoo
  readonly streamer: TestStreamer
  /** Another that leads the feed, in place of the one before. */
  restartFeed(): Promise<void>
  go(time: string): void
  watch(args: string): Stream<Update>
  candles(args: string): Promise<Node[]>
}

/** Finstage, its feed in a process of its own, Yahoo and its streamer at a time in New York, which goes by when it is told to. */
async function on(date: string, time: string, work: (world: World) => Promise<void>): Promise<void> {
  let nowMs = Date.parse(`${date}T${time}Z`)
  const now = (): number => nowMs
  await using database = await createTestDatabase()
  await using yahoo = await startTestYahoo({ now })
  await using streamer = await startTestStreamer()
  const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, YAHOO_STREAM_URL: streamer.url }
  let ingest = await startApp(environment, 'ingest', { now })
  await using app = await startApp(environment, 'api', { now })
  try {
    await work({
      ...{ app, yahoo, streamer },
      async restartFeed() {
        await ingest.stop()
        ingest = await startApp(environment, 'ingest', { now })
      },
      go: (later) => {
        nowMs = Date.parse(`${date}T${later}Z`)
      },
      watch: (args) =>
        subscribe<Update>(
          app.api,
          `subscription { candleUpdates(${args}) { kind revision candle { ${candleFields} } } }`,
        ),
      async candles(args) {
        const { data, errors } = await post<{ candles: { nodes: Node[] } }>(
          app.api,
          `{ candles(${args}) { nodes { ${candleFields} } } }`,
        )
        assert.equal(errors, undefined, JSON.stringify(errors))
        return data?.candles.nodes ?? assert.fail()
      },
    })
  } finally {
    await ingest.stop()
  }
}

const shown = ({ kind, revision, candle: { time, open, high, low, close } }: Update['candleUpdates']): string =>
  `${kind} ${time.slice(11, 16)} r${revision} ${open} ${high} ${low} ${close}`

async function next(stream: Stream<Update>): Promise<string> {
  const { data, errors } = await stream.next()
  assert.equal(errors, undefined, JSON.stringify(errors))
  return shown(data?.candleUpdates ?? assert.fail())
}

// Of what is not announced for 15 s the feed forgets that it is watched: no clock goes further at once while pushed prices are awaited.

test('pushed prices make candles: opened, changed, closed by the clock or the next, revised by a late one, in the end as Yahoo has them', async () => {
  await on('2025-03-12', '15:10:55', async ({ yahoo, streamer, go, watch, candles }) => {
    const epoch = (time: string): number => Date.parse(`2025-03-12T${time}Z`) / 1000
    const row = (time: string, open: number, high: number, low: number, close: number) => ({
      ...{ time: epoch(time), open, high, low, close, volume: 500 },
    })
    const before = row('15:09:00', 198, 199, 197, 198)
    yahoo.setChart('AAPL', '1m', [before, row('15:10:00', 198, 200, 198, 200)])
    yahoo.setPrice('AAPL', 200)
    await using stream = watch('symbol: "AAPL"')
    assert.equal(await next(stream), 'SNAPSHOT 15:10 r1 198 200 198 200')
    await streamer.subscribed('AAPL')
    const push = (price: number, time: string, marketHours = 1): void => {
      streamer.push('AAPL', { price, time: epoch(time) * 1000, marketHours, dayVolume: 40_000_000 + price })
    }
    go('15:10:57')
    push(201, '15:10:57')
    assert.equal(await next(stream), 'UPDATE 15:10 r2 198 201 198 201')
    // No price of the session, but it shows that the minute is over.
    go('15:11:00')
    push(190, '15:10:58', 2)
    assert.equal(await next(stream), 'CLOSE 15:10 r3 198 201 198 201')
    push(197, '15:10:59')
    assert.equal(await next(stream), 'CLOSE 15:10 r4 198 201 197 197')
    go('15:11:01')
    push(250, '15:11:01')
    assert.equal(await next(stream), 'UPDATE 15:11 r1 250 250 250 250')
    // By now Yahoo has both minutes, and knows better.
    yahoo.setChart('AAPL', '1m', [before, row('15:10:00', 198, 202, 197, 199), row('15:11:00', 249, 251, 249, 251)])
    go('15:11:08')
    push(252, '15:11:08')
    assert.equal(await next(stream), 'UPDATE 15:11 r2 250 252 250 252')
    // One answer brings both, in this order. On a slow machine an answer may bring the second alone, as it was asked for too
    // early to say how the first minute ended; the first comes with the next answer then.
    const corrected = [await next(stream)]
    if (corrected[0]?.startsWith('UPDATE')) go('15:11:25')
    corrected.push(await next(stream))
    assert.deepEqual(corrected.sort(), ['CLOSE 15:10 r5 198 202 197 199', 'UPDATE 15:11 r3 249 252 249 252'])
    const nodes = await candles('symbol: "AAPL", interval: MINUTE_1, from: "2025-03-12T15:10:00Z"')
    assert.deepEqual(
      nodes.map(({ open, high, low, close, closed }) => [open, high, low, close, closed]),
      [
        [198, 202, 197, 199, true],
        [249, 251, 249, 251, false],
      ],
    )
  })
})

test('a session that opens at half past has candles from then on; what is traded before it is of extended hours alone', async () => {
  await on('2025-03-12', '13:29:50', async ({ yahoo, streamer, go, watch, candles }) => {
    yahoo.setQuote('AAPL', {
      ...{ marketState: 'PRE', regularMarketTime: Date.parse('2025-03-11T20:00:00Z') / 1000 },
      ...{ preMarketPrice: 205, preMarketTime: Date.parse('2025-03-12T13:29:49Z') / 1000 },
    })
    await using regular = watch('symbol: "AAPL", interval: HOUR_1')
    await using extended = watch('symbol: "AAPL", interval: HOUR_1, extendedHours: true')
    const before = (await regular.next()).data?.candleUpdates
    assert.deepEqual([before?.candle.time, before?.candle.closed], ['2025-03-11T19:30:00.000Z', true])
    assert.equal((await extended.next()).data?.candleUpdates.candle.time, '2025-03-12T13:00:00.000Z')
    await streamer.subscribed('AAPL')
    const push = (time: string, price: number, marketHours: number): void => {
      go(time)
      streamer.push('AAPL', { price, time: Date.parse(`2025-03-12T${time}Z`), marketHours, dayVolume: 1000 + price })
    }
    push('13:29:59', 206, 0)
    assert.match(await next(extended), /^UPDATE 13:00 r\d+ .* 206$/)
    push('13:30:01', 207, 1)
    assert.equal(await next(regular), 'UPDATE 13:30 r1 207 207 207 207')
    assert.match(await next(extended), /^CLOSE 13:00 /)
    assert.equal(await next(extended), 'UPDATE 13:30 r1 207 207 207 207')
    // What was asked for before the opening is answered for a quarter of a minute.
    go('13:30:10')
    const last = async (args: string) => (await candles(`symbol: "AAPL", interval: HOUR_1, last: 1${args}`))[0]?.time
    assert.equal(await last(''), '2025-03-12T13:30:00.000Z')
    assert.equal(await last(', extendedHours: true'), '2025-03-12T13:30:00.000Z')
  })
})

test('while Yahoo has no charts a candle closes as it was built, and is put right when they are back', async () => {
  await on('2025-03-12', '15:20:56', async ({ yahoo, streamer, go, watch, candles }) => {
    await using stream = watch('symbol: "MSFT"')
    await stream.next()
    await streamer.subscribed('MSFT')
    const push = (time: string, price: number): void => {
      go(time)
      streamer.push('MSFT', { price, time: Date.parse(`2025-03-12T${time}Z`), marketHours: 1 })
    }
    const clear = yahoo.fault('chart', { status: 500 })
    push('15:20:57', 500)
    await stream.until(({ candleUpdates }) => candleUpdates.candle.close === 500)
    push('15:21:00', 501)
    const { candleUpdates: built } = await stream.until(({ candleUpdates }) => candleUpdates.kind === 'CLOSE')
    assert.deepEqual([built.candle.time, built.candle.close], ['2025-03-12T15:20:00.000Z', 500])
    push('15:21:08', 502)
    await eventually(() => yahoo.requestsTo('chart').length > 2, 'the chart is asked for')
    clear()
    let right: Node | undefined
    const isRight = ({ candleUpdates: { kind, candle } }: Update): boolean =>
      kind === 'CLOSE' && candle.time === built.candle.time
    const reading = stream.until(isRight).then(({ candleUpdates }) => {
      right = candleUpdates.candle
    })
    // It is asked again in growing pauses: the clock goes on until it is.
    let seconds = Date.parse('2025-03-12T15:21:08Z') / 1000
    await eventually(() => {
      seconds += 1
      push(new Date(seconds * 1000).toISOString().slice(11, 19), 502 + (seconds % 60))
      return right !== undefined
    }, 'the close as Yahoo has it')
    await reading
    const [settled] = await candles(
      'symbol: "MSFT", interval: MINUTE_1, from: "2025-03-12T15:20:00Z", to: "2025-03-12T15:21:00Z"',
    )
    assert.deepEqual(right, settled)
  })
})

test('a feed that is replaced, and minutes in which no price came: all candles in between are told, in order', async () => {
  await on('2025-03-12', '15:30:10', async ({ yahoo, streamer, go, watch, candles, restartFeed }) => {
    await using stream = watch('symbol: "AAPL"')
    await stream.next()
    await streamer.subscribed('AAPL')
    go('15:34:30')
    yahoo.setPrice('AAPL', 300)
    await restartFeed()
    const wanted = ['15:30', '15:31', '15:32', '15:33']
    const closes: string[] = []
    await stream.until(({ candleUpdates: { kind, candle } }) => {
      const time = candle.time.slice(11, 16)
      if (kind === 'CLOSE' && !closes.includes(time)) closes.push(time)
      return closes.length === wanted.length
    })
    assert.deepEqual(closes, wanted)
    const nodes = await candles('symbol: "AAPL", interval: MINUTE_1, from: "2025-03-12T15:30:00Z"')
    assert.deepEqual(
      nodes.map(({ time }) => time.slice(11, 16)),
      [...wanted, '15:34'],
    )
  })
})
