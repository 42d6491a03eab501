import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { Registry } from 'prom-client'
import type { Candle, CandleRequest } from '../../../src/domain/candle.ts'
import { closedAt } from '../../../src/domain/sessions/closed-at.ts'
import { type Interval, intervalSeconds, isDaily } from '../../../src/domain/time/interval.ts'
import type { Schedule } from '../../../src/jobs/queue/schedule.ts'
import { followSignals } from '../../../src/jobs/tasks/signal-outcomes.ts'
import { MarketService } from '../../../src/market/market-service.ts'
import { Quarantine } from '../../../src/market/quarantine.ts'
import { yahooSource } from '../../../src/market/yahoo/source.ts'
import { FairSlots } from '../../../src/platform/concurrency/fair-slots.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { OutcomeStore } from '../../../src/store/analyses/outcome-store.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'
import { startTestYahoo, type TestYahoo } from '../../support/yahoo/test-yahoo.ts'

const at = (iso: string): number => Date.parse(iso) / 1000
const iso = (time: Date | null): string | null => time?.toISOString().slice(0, 16) ?? null

interface Row {
  readonly return1d: number | null
  readonly return1w: number | null
  readonly return1m: number | null
  readonly max: number | null
  readonly min: number | null
  readonly followAt: Date | null
}

interface NewSignal {
  readonly symbol: string
  readonly interval: Interval
  /** When its candle started. */
  readonly candle: string
  readonly direction: string
  readonly kind: string
  readonly source: string
}

/** One that follows signals, with caches and memory of its own. */
interface Process {
  readonly schedule: Schedule
  readonly market: MarketService
  run(signal?: AbortSignal): Promise<void>
}

interface World {
  readonly yahoo: TestYahoo
  readonly database: TestDatabase
  readonly outcomes: OutcomeStore
  /** Sets the clock of all of it. */
  go(iso: string): void
  process(candles?: (market: MarketService) => Pick<MarketService, 'candles'>): Process
  /** A signal, known when its candle is complete. */
  store(signal: Partial<NewSignal> & Pick<NewSignal, 'symbol' | 'candle'>): Promise<void>
  rows(where?: string): Promise<Row[]>
  row(where?: string): Promise<Row>
}

/** A database and a Yahoo of its own, at a time that goes by when it is told to. */
async function world(start: string, work: (world: World) => Promise<void>): Promise<void> {
  let nowMs = Date.parse(start)
  const now = (): number => nowMs
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await createTestDatabase())
  const yahoo = stack.use(await startTestYahoo({ now }))
  const pool = stack.adopt(createPool(database.url, silentLog), (pool) => pool.end())
  const outcomes = new OutcomeStore({ pool, source: 'YAHOO' })
  const policy = { retryWithinMs: 1, breakMs: 2, longestBreakMs: 8 }

  function process(changed = (market: MarketService): Pick<MarketService, 'candles'> => market): Process {
    const registry = new Registry()
    const quarantine = new Quarantine({ log: silentLog, registry })
    const source = yahooSource({ baseUrl: yahoo.url, now, timeoutMs: 10_000, policy })
    const market = new MarketService({ source, store: new CandleStore(pool), registry, quarantine, now })
    const schedule = followSignals({ market: changed(market), outcomes, slots: new FairSlots(2), now })
    const run = (signal = new AbortController().signal) => schedule.run(nowMs, silentLog, signal)
    return { schedule, market, run }
  }
  async function rows(where = 'true'): Promise<Row[]> {
    return database.query<Row & pg.QueryResultRow>(
      `SELECT return_1d AS "return1d", return_1w AS "return1w", return_1m AS "return1m", max_return AS max,
         min_return AS min, follow_at AS "followAt" FROM finstage.signals WHERE ${where} ORDER BY position`,
    )
  }
  await work({
    yahoo,
    database,
    outcomes,
    process,
    rows,
    go: (later) => {
      nowMs = Date.parse(later)
    },
    async store(signal) {
      const whole: NewSignal = {
        ...{ interval: 'DAY_1', direction: 'BULLISH', kind: 'GOLDEN_CROSS', source: 'YAHOO' },
        ...signal,
      }
      const epoch = at(whole.candle)
      const knownAt = closedAt(epoch, whole.interval, newYork)
      await database.query(
        `INSERT INTO finstage.signals
           (source, symbol, interval, kind, epoch, direction, known_at, price, strength, follow_at)
         VALUES ($1, $2, $3, $4, $5, $6, to_timestamp($7), 1, 1, to_timestamp($7) + interval '24 hours')`,
        [whole.source, whole.symbol, whole.interval, whole.kind, epoch, whole.direction, knownAt],
      )
    },
    async row(where) {
      const [row, ...more] = await rows(where)
      assert.ok(row && more.length === 0)
      return row
    },
  })
}

const newYork = {
  timezone: 'America/New_York',
  opens: at('2025-03-07T14:30:00Z'),
  closes: at('2025-03-07T21:00:00Z'),
}

async function candlesOf({ market }: Process, symbol: string, interval: Interval, from: string, to: string) {
  const [series] = await market.candles([
    {
      ...{ symbol, interval, from: at(from), to: at(to), last: null, earlier: 0 },
      ...{ adjustment: 'SPLITS', extendedHours: false },
    },
  ])
  if (series === undefined || series instanceof Error) throw series
  return series.nodes
}

/** Per cent from the close of one candle to that of another, by when they started. */
function change(candles: readonly Candle[], from: string, to: string): number {
  const close = (start: string): number => candles.find(({ epoch }) => epoch === at(start))?.close ?? Number.NaN
  return (close(to) / close(from) - 1) * 100
}

function assertClose(actual: number | null, expected: number): void {
  assert.ok(actual !== null && Math.abs(actual - expected) < 1e-9, `${actual} instead of ${expected}`)
}

test('horizons are filled in one after the other, each half an hour after its candle, and never before', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo, database }) => {
    const { run, market, schedule } = process()
    await store({ symbol: 'AAPL', candle: '2025-03-07T00:00:00Z' })
    const looked = async (time: string): Promise<unknown[]> => {
      go(time)
      await run()
      const { return1d, return1w, return1m, max, min, followAt } = await row()
      return [...[return1d, return1w, return1m, max, min].map((value) => value !== null), iso(followAt)]
    }
    const nothing = [false, false, false, false, false]
    // Saturday: the next candle is that of Monday, in summer time.
    assert.deepEqual(await looked('2025-03-08T21:00:00Z'), [...nothing, '2025-03-10T20:30'])
    const calls = yahoo.requestsTo('chart').length
    assert.deepEqual(await looked('2025-03-10T20:29:59Z'), [...nothing, '2025-03-10T20:30'])
    assert.equal(yahoo.requestsTo('chart').length, calls)
    // Whoever looks too soon finds a price that may not be the last.
    await database.query("UPDATE finstage.signals SET follow_at = '2025-03-10T20:00:00Z'")
    assert.deepEqual(await looked('2025-03-10T20:05:00Z'), [...nothing, '2025-03-10T20:30'])
    assert.deepEqual(await looked('2025-03-10T20:30:00Z'), [true, false, false, false, false, '2025-03-14T20:30'])
    assert.deepEqual(await looked('2025-03-14T20:30:00Z'), [true, true, false, false, false, '2025-04-07T20:30'])
    assert.deepEqual(await looked('2025-04-07T20:30:00Z'), [true, true, true, true, true, '2025-04-15T20:30'])
    // The last candle may have been corrected until then.
    assert.deepEqual(await looked('2025-04-15T20:30:00Z'), [true, true, true, true, true, null])

    const days = await candlesOf(
      { market, run, schedule },
      'AAPL',
      'DAY_1',
      '2025-03-07T00:00:00Z',
      '2025-04-08T00:00:00Z',
    )
    const { return1d, return1w, return1m, max, min } = await row()
    assertClose(return1d, change(days, '2025-03-07T00:00:00Z', '2025-03-10T00:00:00Z'))
    assertClose(return1w, change(days, '2025-03-07T00:00:00Z', '2025-03-14T00:00:00Z'))
    assertClose(return1m, change(days, '2025-03-07T00:00:00Z', '2025-04-07T00:00:00Z'))
    const [base, ...after] = days
    assertClose(max, (Math.max(...after.map(({ high }) => high)) / (base?.close ?? 0) - 1) * 100)
    assertClose(min, (Math.min(...after.map(({ low }) => low)) / (base?.close ?? 0) - 1) * 100)
  })
})

test('signals of every interval are filled in by looking when it is time, and seldom', async () => {
  await world('2025-03-03T15:00:00Z', async ({ store, process, go, row, rows }) => {
    const { run, market, schedule } = process()
    const signals = [
      {
        interval: 'DAY_1',
        candle: '2025-03-03T00:00:00Z',
        week: '2025-03-10T00:00:00Z',
        month: '2025-04-03T00:00:00Z',
      },
      // Measured from Friday, the seventh, and the last of the month.
      {
        interval: 'WEEK_1',
        candle: '2025-03-03T00:00:00Z',
        week: '2025-03-14T00:00:00Z',
        month: '2025-04-07T00:00:00Z',
      },
      {
        interval: 'MONTH_1',
        candle: '2025-03-01T00:00:00Z',
        week: '2025-04-07T00:00:00Z',
        month: '2025-04-30T00:00:00Z',
      },
      {
        interval: 'MONTH_3',
        candle: '2025-01-01T00:00:00Z',
        week: '2025-04-07T00:00:00Z',
        month: '2025-04-30T00:00:00Z',
      },
      // Until 18:30, and in summer time the four hours until the bell.
      {
        interval: 'HOUR_4',
        candle: '2025-03-03T14:30:00Z',
        week: '2025-03-10T17:30:00Z',
        month: '2025-04-03T17:30:00Z',
      },
      // In winter time and a week later in summer time: the hour that ends 168 hours later.
      {
        interval: 'HOUR_1',
        candle: '2025-03-03T16:30:00Z',
        week: '2025-03-10T16:30:00Z',
        month: '2025-04-03T16:30:00Z',
      },
      {
        interval: 'MINUTE_30',
        candle: '2025-03-03T20:30:00Z',
        week: '2025-03-11T13:30:00Z',
        month: '2025-04-04T13:30:00Z',
      },
      {
        interval: 'MINUTE_1',
        candle: '2025-03-03T15:00:00Z',
        week: '2025-03-10T15:00:00Z',
        month: '2025-04-03T15:00:00Z',
      },
    ] as const
    for (const { interval, candle } of signals) await store({ symbol: 'AAPL', interval, candle, direction: 'BEARISH' })
    let looks = 0
    for (;;) {
      const next = (await rows()).flatMap(({ followAt }) => followAt?.getTime() ?? []).toSorted((a, b) => a - b)[0]
      if (next === undefined) break
      go(new Date(next).toISOString())
      await run()
      looks++
    }
    // One a horizon, and some where it passes while the exchange is closed.
    assert.ok(looks <= signals.length * 5, `${looks} looks`)
    for (const { interval, candle, week, month } of signals) {
      const measured = isDaily(interval) ? 'DAY_1' : interval
      const march = '2025-03-31T00:00:00Z'
      const base = { DAY_1: candle, WEEK_1: '2025-03-07T00:00:00Z', MONTH_1: march, MONTH_3: march } as const
      const from = isDaily(interval) ? base[interval as keyof typeof base] : candle
      const to = new Date((at(month) + intervalSeconds(measured)) * 1000).toISOString()
      const candles = await candlesOf({ market, run, schedule }, 'AAPL', measured, from, to)
      const { return1w, return1m, max, min } = await row(`interval = '${interval}'`)
      assertClose(return1w, -change(candles, from, week))
      assertClose(return1m, -change(candles, from, month))
      const after = candles.filter(({ epoch }) => epoch > at(from) && epoch <= at(month))
      const close = candles.find(({ epoch }) => epoch === at(from))?.close ?? 0
      assertClose(max, -(Math.min(...after.map(({ low }) => low)) / close - 1) * 100)
      assertClose(min, -(Math.max(...after.map(({ high }) => high)) / close - 1) * 100)
    }
  })
})

test('what the source corrects or fills within eight days after a horizon is measured again, and is complete only then', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo }) => {
    const { run } = process()
    const looked = async (time: string, closes: Readonly<Record<string, number | null>>): Promise<unknown[]> => {
      const rows = []
      for (let day = at('2025-03-03T14:30:00Z'); day < at(time); day += 86_400) {
        const close = closes[new Date(day * 1000).toISOString().slice(0, 10)] ?? 100
        const prices = { open: close, high: close, low: close, close, adjclose: close }
        if (![0, 6].includes(new Date(day * 1000).getUTCDay())) rows.push({ time: day, ...prices, volume: 1 })
      }
      yahoo.setChart(
        'AAPL',
        '1d',
        rows.filter(({ time }) => closes[new Date(time * 1000).toISOString().slice(0, 10)] !== null),
      )
      go(time)
      await run()
      const { return1d, return1w, return1m, max, followAt } = await row()
      return [...[return1d, return1w, return1m, max].map((value) => value && Math.round(value)), iso(followAt)]
    }
    await store({ symbol: 'AAPL', candle: '2025-03-07T00:00:00Z' })
    // Without Monday's row, Tuesday counts.
    const tuesday = await looked('2025-03-11T20:30:00Z', { '2025-03-10': null, '2025-03-11': 103 })
    assert.deepEqual(tuesday, [3, null, null, null, '2025-03-14T20:30'])
    const closes = { '2025-03-10': 105, '2025-03-11': 103, '2025-03-14': 110, '2025-04-07': 120 }
    assert.deepEqual(await looked('2025-03-14T20:30:00Z', closes), [5, 10, null, null, '2025-04-07T20:30'])
    const week = { ...closes, '2025-03-14': 112 }
    // Nobody asked on the days between, so the week is asked for again only now.
    assert.deepEqual(await looked('2025-04-07T20:30:00Z', week), [5, 12, 20, 20, '2025-04-15T20:30'])
    const month = { ...week, '2025-04-07': 125 }
    assert.deepEqual(await looked('2025-04-15T20:30:00Z', month), [5, 12, 25, 25, null])
  })
})

test('a split after a signal does not look like a fall', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo }) => {
    const follower = process()
    await store({ symbol: 'AAPL', candle: '2025-03-07T00:00:00Z' })
    go('2025-03-10T20:30:00Z')
    await follower.run()
    const { return1d } = await row()
    yahoo.addSplit('AAPL', '2025-03-12', 4, 1)
    go('2025-03-14T20:30:00Z')
    await follower.run()
    const after = await row()
    const days = await candlesOf(follower, 'AAPL', 'DAY_1', '2025-03-07T00:00:00Z', '2025-03-15T00:00:00Z')
    assert.ok((days[0]?.close ?? 0) < 100)
    assertClose(after.return1w, change(days, '2025-03-07T00:00:00Z', '2025-03-14T00:00:00Z'))
    assert.ok(Math.abs((after.return1d ?? 0) - (return1d ?? 0)) < 1e-4)
  })
})

test('in an outage nothing is filled in or given up; an hour after it each horizon has its own price', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo }) => {
    const { run, market, schedule } = process()
    for (const symbol of ['AAPL', 'MSFT']) await store({ symbol, candle: '2025-03-07T00:00:00Z' })
    // Of one there is something stored.
    await candlesOf({ run, market, schedule }, 'AAPL', 'DAY_1', '2025-03-01T00:00:00Z', '2025-03-08T00:00:00Z')
    const recovered = yahoo.fault('chart', { status: 503 })
    for (const time of ['2025-03-10T20:30:00Z', '2025-03-20T22:00:00Z', '2025-05-20T22:00:00Z']) {
      go(time)
      await run()
      for (const symbol of ['AAPL', 'MSFT']) {
        const { followAt, ...returns } = await row(`symbol = '${symbol}'`)
        assert.deepEqual(Object.values(returns), [null, null, null, null, null])
        assert.equal(followAt?.getTime(), Date.parse(time) + 3_600_000)
      }
    }
    recovered()
    go('2025-05-20T23:00:00Z')
    await run()
    for (const symbol of ['AAPL', 'MSFT']) {
      const { return1d, return1w, return1m, followAt } = await row(`symbol = '${symbol}'`)
      const days = await candlesOf(
        { run, market, schedule },
        symbol,
        'DAY_1',
        '2025-03-07T00:00:00Z',
        '2025-04-08T00:00:00Z',
      )
      assertClose(return1d, change(days, '2025-03-07T00:00:00Z', '2025-03-10T00:00:00Z'))
      assertClose(return1w, change(days, '2025-03-07T00:00:00Z', '2025-03-14T00:00:00Z'))
      assertClose(return1m, change(days, '2025-03-07T00:00:00Z', '2025-04-07T00:00:00Z'))
      assert.equal(followAt, null)
    }
  })
})

test('an outage that lasts for sixty days after the last horizon ends it', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo }) => {
    const { run } = process()
    await store({ symbol: 'AAPL', candle: '2025-03-07T00:00:00Z' })
    yahoo.fault('chart', { status: 503 })
    go('2025-06-06T20:00:00Z')
    await run()
    assert.equal(iso((await row()).followAt), '2025-06-06T21:00')
    go('2025-06-07T21:00:00Z')
    await run()
    assert.equal((await row()).followAt, null)
  })
})

test('a symbol that is gone keeps what is filled in, and is not looked at again; nor is one that nobody knows', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, row, yahoo }) => {
    const { run } = process()
    for (const symbol of ['AAPL', 'NOSUCH', 'MSFT']) await store({ symbol, candle: '2025-03-07T00:00:00Z' })
    go('2025-03-10T20:30:00Z')
    await run()
    const unknown = await row(`symbol = 'NOSUCH'`)
    assert.deepEqual(Object.values(unknown), [null, null, null, null, null, null])
    const before = await row(`symbol = 'AAPL'`)
    assert.notEqual(before.return1d, null)
    yahoo.delist('AAPL')
    go('2025-03-14T20:30:00Z')
    await run()
    assert.deepEqual(await row(`symbol = 'AAPL'`), { ...before, followAt: null })
    const other = await row(`symbol = 'MSFT'`)
    assert.notEqual(other.return1w, null)
    assert.notEqual(other.followAt, null)
  })
})

test('one symbol whose candles cannot be had keeps no other from being filled in', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, rows }) => {
    const failing = process((market) => ({
      candles: (requests) => {
        if (requests[0]?.symbol === 'MSFT') throw new TypeError('a mistake of ours')
        return market.candles(requests)
      },
    }))
    for (const symbol of ['AAPL', 'MSFT', 'BRK-B']) await store({ symbol, candle: '2025-03-07T00:00:00Z' })
    go('2025-03-10T20:30:00Z')
    await failing.run()
    assert.deepEqual(
      (await rows()).map(({ return1d, followAt }) => [return1d !== null, iso(followAt)]),
      [
        [true, '2025-03-14T20:30'],
        [false, '2025-03-10T21:30'],
        [true, '2025-03-14T20:30'],
      ],
    )
  })
})

test('minutes that the source has no more are given up, and those that it has are measured', async () => {
  await world('2025-04-11T22:00:00Z', async ({ store, process, row, rows }) => {
    const { run } = process()
    const minute = { symbol: 'AAPL', interval: 'MINUTE_1' } as const
    await store({ ...minute, candle: '2025-03-03T15:00:00Z' })
    await store({ ...minute, candle: '2025-03-03T15:00:00Z', kind: 'RSI_BULLISH' })
    await store({ ...minute, candle: '2025-03-05T15:00:00Z' })
    await store({ ...minute, candle: '2025-03-18T15:00:00Z' })
    await store({ ...minute, candle: '2025-03-20T15:00:00Z' })
    await run()
    for (const day of [18, 20]) {
      const { return1d, return1w, followAt } = await row(`epoch = ${at(`2025-03-${day}T15:00:00Z`)}`)
      assert.ok(return1d !== null && return1w !== null)
      assert.equal(iso(followAt), `2025-04-${day}T15:31`)
    }
    const old = await rows(`epoch < ${at('2025-03-10T00:00:00Z')}`)
    assert.equal(old.length, 3)
    for (const row of old) assert.deepEqual(Object.values(row), [null, null, null, null, null, null])
  })
})

test('the candles of a symbol are asked for once for all signals that are measured on them', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, process, go, rows }) => {
    const asked: CandleRequest[] = []
    const { run } = process((market) => ({
      candles(requests) {
        asked.push(...requests)
        return market.candles(requests)
      },
    }))
    for (const interval of ['DAY_1', 'WEEK_1'] as const) {
      for (const kind of ['GOLDEN_CROSS', 'RSI_BULLISH', 'VOLUME_SPIKE']) {
        const candle = interval === 'DAY_1' ? '2025-03-07T00:00:00Z' : '2025-03-03T00:00:00Z'
        await store({ symbol: 'AAPL', interval, candle, kind })
      }
    }
    go('2025-03-10T20:30:00Z')
    await run()
    assert.equal((await rows('return_1d IS NOT NULL')).length, 6)
    assert.deepEqual(
      asked.map(({ interval, from }) => [interval, from]),
      [['DAY_1', at('2025-03-03T00:00:00Z')]],
    )
  })
})

/** Of days long past, so that all of it is known at once. */
async function storePast({ database }: World, symbol: string, count: number): Promise<void> {
  await database.query(
    `INSERT INTO finstage.signals (source, symbol, interval, kind, epoch, direction, known_at, price, strength, follow_at)
     SELECT 'YAHOO', $1, 'DAY_1', 'KIND' || place, $2, 'BULLISH', to_timestamp($2::bigint), 1, 1,
       to_timestamp($2::bigint) + interval '24 hours' + place * interval '1 microsecond'
     FROM generate_series(1, $3) AS place`,
    [symbol, at('2024-06-03T00:00:00Z'), count],
  )
}

test('a run goes on until none is due, and signals of another source are not its business', async () => {
  await world('2025-03-07T22:00:00Z', async (world) => {
    const { process, rows, row, store, yahoo, outcomes } = world
    for (const symbol of ['AAPL', 'MSFT', 'BRK-B']) await storePast(world, symbol, 850)
    await store({ symbol: 'AAPL', candle: '2024-06-03T00:00:00Z', source: 'SIMULATED' })
    await process().run()
    const filled = 'return_1d IS NOT NULL AND return_1m IS NOT NULL AND max_return IS NOT NULL AND follow_at IS NULL'
    assert.equal((await rows(filled)).length, 3 * 850)
    assert.notEqual((await row(`source = 'SIMULATED'`)).followAt, null)
    assert.deepEqual(await outcomes.due(Date.parse('2025-03-07T22:00:00Z'), 10), [])
    const calls = yahoo.requestsTo('chart').length
    await process().run()
    assert.equal(yahoo.requestsTo('chart').length, calls)
  })
})

test('two workers at once fill in what one would have', async () => {
  await world('2025-03-07T22:00:00Z', async (world) => {
    const { process, rows, database } = world
    const symbols = ['AAPL', 'MSFT', 'BRK-B', 'VOD.L']
    for (const symbol of symbols) await storePast(world, symbol, 400)
    await process().run()
    const alone = await rows()
    await database.query('DELETE FROM finstage.signals')
    for (const symbol of symbols) await storePast(world, symbol, 400)
    await Promise.all([process().run(), process().run()])
    assert.deepEqual(await rows(), alone)
    assert.ok(alone.every(({ return1m, followAt }) => return1m !== null && followAt === null))
  })
})

test('what another worker has found out meanwhile stays as it is', async () => {
  await world('2025-03-07T22:00:00Z', async ({ store, outcomes, row }) => {
    await store({ symbol: 'AAPL', candle: '2025-03-05T00:00:00Z' })
    const [signal] = await outcomes.due(Date.parse('2025-03-07T22:00:00Z'), 10)
    assert.ok(signal)
    const found = (return1d: number) => [
      {
        signal,
        outcome: { return1d, return1w: null, return1m: null, maxReturn: null, minReturn: null, complete: false },
        followAtMs: Date.parse('2025-03-12T20:30:00Z'),
      },
    ]
    assert.equal(await outcomes.fill(found(1)), 1)
    assert.equal(await outcomes.fill(found(2)), 0)
    const { return1d, followAt } = await row()
    assert.deepEqual([return1d, iso(followAt)], [1, '2025-03-12T20:30'])
  })
})

test('a run that dies midway leaves everything to the next, and one that is to stop writes down what it has', async () => {
  await world('2025-03-07T22:00:00Z', async (world) => {
    const { process, rows } = world
    for (const symbol of ['AAPL', 'MSFT', 'BRK-B', 'VOD.L']) await storePast(world, symbol, 5)
    const done = 'return_1m IS NOT NULL AND follow_at IS NULL'
    const reached = Promise.withResolvers<void>()
    let calls = 0
    const dying = process((market) => ({
      async candles(requests) {
        if (++calls <= 2) return market.candles(requests)
        reached.resolve()
        return new Promise(() => {})
      },
    }))
    void dying.run()
    await reached.promise
    assert.equal((await rows(done)).length, 0)

    const stop = new AbortController()
    // The run that hangs goes on to count its own.
    let callsOfStopping = 0
    const stopping = process((market) => ({
      async candles(requests) {
        if (++callsOfStopping === 2) stop.abort()
        return market.candles(requests)
      },
    }))
    await stopping.run(stop.signal)
    // The two that were under way.
    assert.equal((await rows(done)).length, 10)
    await process().run()
    assert.equal((await rows(done)).length, 20)
  })
})

test('a run that takes long is not joined by the next one of the same worker', async () => {
  await world('2025-03-07T22:00:00Z', async (world) => {
    const { process, rows } = world
    await storePast(world, 'AAPL', 1)
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let calls = 0
    const slow = process((market) => ({
      async candles(requests) {
        calls++
        reached.resolve()
        await released.promise
        return market.candles(requests)
      },
    }))
    const first = slow.run()
    await reached.promise
    await slow.run()
    assert.equal(calls, 1)
    released.resolve()
    await first
    assert.equal((await rows('follow_at IS NULL')).length, 1)
    // It is over: the next begins.
    await storePast(world, 'MSFT', 1)
    await slow.run()
    assert.equal((await rows('follow_at IS NULL')).length, 2)
  })
})

test('a worker follows signals every quarter of an hour', async () => {
  await using database = await createTestDatabase()
  await using yahoo = await startTestYahoo()
  await using _app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'worker')
  await eventually(async () => {
    const known = await database.query(
      "SELECT FROM graphile_worker._private_known_crontabs WHERE identifier = 'follow_signals'",
    )
    return known.length === 1
  }, 'the schedule is known to the queue')
})
