import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { SourceCandle } from '../../../src/domain/candle.ts'
import type { Dividend, Split } from '../../../src/domain/corporate-action.ts'
import type { SourceInterval } from '../../../src/domain/time/interval.ts'
import type { TimeSpan } from '../../../src/domain/time/units.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import type { FetchedCandles, Series } from '../../../src/store/candles/series.ts'
import { gatedPool, holdAt } from '../../support/candles/candle-process.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
const store = new CandleStore(pool)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const day = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 1000
const seriesOf = (symbol: string, interval: SourceInterval = 'DAY_1'): Series => ({
  source: 'YAHOO',
  symbol,
  interval,
  extendedHours: false,
})

function candles(span: TimeSpan, step: number, price: number): SourceCandle[] {
  const count = Math.ceil((span.to - span.from) / step)
  return Array.from({ length: count }, (_, i) => ({
    epoch: span.from + i * step,
    ...{ open: price, high: price, low: price, close: price, volume: null, closed: true },
    adjustedClose: step === daySeconds ? price : null,
  }))
}

interface Said {
  readonly at: string
  readonly candles?: readonly SourceCandle[]
  readonly excluded?: readonly number[]
  readonly splits?: readonly Split[]
  readonly dividends?: readonly Dividend[]
  readonly finalBefore?: number
  readonly facts?: FetchedCandles['facts']
  readonly revises?: boolean
  readonly isCurrent?: boolean
  readonly isFirst?: boolean
}

function write(series: Series, span: TimeSpan, said: Said, by = store): Promise<number | null> {
  const { at, ...rest } = said
  const fetched: FetchedCandles = {
    ...{ candles: [], excluded: [], splits: [], dividends: [], finalBefore: span.to, facts: null },
    ...{ revises: false, isCurrent: false, ...rest },
    startedMs: Date.parse(at),
  }
  return by.write(series, span, fetched)
}

async function stored(series: Series, span: TimeSpan) {
  const state = await store.state(series, span)
  assert.ok(state)
  const { list, excluded } = await store.read(state, span)
  return { candles: list.candles, excluded, gaps: state.gaps }
}

/** That so many writers wait for others. */
async function waiting(count: number): Promise<void> {
  const sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
  await eventually(async () => (await database.query(sql)).length >= count, `${count} wait for a lock`)
}

const year: TimeSpan = { from: day('2025-01-01'), to: day('2026-01-01') }

test('a split that is news makes prices before it be fetched again, of every interval, and never be served as they were', async () => {
  const days = seriesOf('SPLIT')
  const minutes = seriesOf('SPLIT', 'MINUTE_15')
  const other = seriesOf('OTHER')
  const before = '2025-12-31T22:00:00Z'
  await write(days, year, { at: before, candles: candles(year, daySeconds, 100) })
  await write(other, year, { at: before, candles: candles(year, daySeconds, 100) })
  const quarters: TimeSpan = { from: day('2025-12-30'), to: day('2026-01-01') }
  await write(minutes, quarters, { at: before, candles: candles(quarters, 900, 100) })
  const next: TimeSpan = { from: year.to, to: day('2026-01-03') }
  const splits = [{ epoch: day('2026-01-02'), numerator: 4, denominator: 1 }]
  await write(days, next, { at: '2026-01-02T22:00:00Z', candles: candles(next, daySeconds, 25), splits })

  const { candles: left, gaps } = await stored(days, { from: year.from, to: next.to })
  assert.deepEqual(gaps, [{ from: year.from, to: next.from }])
  assert.deepEqual(
    left.map(({ epoch, close }) => [epoch, close]),
    [day('2026-01-01'), day('2026-01-02')].map((epoch) => [epoch, 25]),
  )
  assert.deepEqual(await stored(minutes, quarters), { candles: [], excluded: [], gaps: [quarters] })
  assert.deepEqual((await stored(other, year)).gaps, [])
})

test('a dividend that is news makes the adjusted closes before it be fetched again, and nothing else', async () => {
  const days = seriesOf('DIVIDEND')
  const minutes = seriesOf('DIVIDEND', 'MINUTE_15')
  const before = '2025-12-31T22:00:00Z'
  await write(days, year, { at: before, candles: candles(year, daySeconds, 100) })
  const quarters: TimeSpan = { from: day('2025-12-30'), to: day('2026-01-01') }
  await write(minutes, quarters, { at: before, candles: candles(quarters, 900, 100) })
  const next: TimeSpan = { from: year.to, to: day('2026-01-03') }
  const dividends = [{ epoch: day('2026-01-02'), amount: 0.5, currency: 'USD' }]
  await write(days, next, { at: '2026-01-02T22:00:00Z', dividends })
  assert.deepEqual((await stored(days, { from: year.from, to: next.to })).gaps, [{ from: year.from, to: next.from }])
  assert.deepEqual((await stored(minutes, quarters)).gaps, [])
  assert.deepEqual(await store.actions(days, { from: year.from, to: next.to }), { dividends, splits: [] })
})

test('of several dividends that come at once, the newest decides what is fetched again', async () => {
  const days = seriesOf('DIVIDENDS')
  await write(days, year, { at: '2025-12-31T22:00:00Z', candles: candles(year, daySeconds, 100) })
  const next: TimeSpan = { from: day('2025-12-01'), to: day('2026-01-03') }
  const dividends = ['2025-12-10', '2026-01-02'].map((date) => ({ epoch: day(date), amount: 0.5, currency: 'USD' }))
  await write(days, next, { at: '2026-01-02T22:00:00Z', dividends })
  assert.deepEqual((await stored(days, { from: year.from, to: next.to })).gaps, [{ from: year.from, to: next.from }])
  assert.deepEqual((await store.actions(days, next)).dividends, dividends)
})

test('an action that is older than what is stored changes nothing of it: that was fetched with it', async () => {
  const days = seriesOf('OLD')
  await write(days, year, { at: '2026-01-05T22:00:00Z', candles: candles(year, daySeconds, 100) })
  const past: TimeSpan = { from: day('2020-01-01'), to: day('2021-01-01') }
  const splits = [{ epoch: day('2020-08-31'), numerator: 4, denominator: 1 }]
  await write(days, past, { at: '2026-01-06T22:00:00Z', candles: candles(past, daySeconds, 30), splits })
  assert.deepEqual((await stored(days, year)).gaps, [])
  assert.deepEqual((await stored(days, past)).gaps, [])
})

test('a split that the source takes back is gone, and what it had changed is fetched again', async () => {
  const days = seriesOf('TAKENBACK')
  const splits = [{ epoch: day('2025-12-15'), numerator: 2, denominator: 1 }]
  await write(days, year, { at: '2025-12-15T22:00:00Z', candles: candles(year, daySeconds, 50), splits })
  const december: TimeSpan = { from: day('2025-12-01'), to: year.to }
  await write(days, december, { at: '2025-12-17T22:00:00Z', candles: candles(december, daySeconds, 100) })
  assert.deepEqual((await store.actions(days, year)).splits, [])
  assert.deepEqual((await stored(days, year)).gaps, [{ from: year.from, to: december.from }])
})

test('writing the same candles again writes no row, and what differs replaces what was there', async () => {
  const series = seriesOf('SAME', 'MINUTE_1')
  const span: TimeSpan = { from: day('2025-01-02'), to: day('2025-01-03') }
  const first = candles(span, 60, 5)
  const versions = async () =>
    await database.query<{ minute: number; xmin: string }>(
      'SELECT minute, candles.xmin FROM finstage.candles JOIN finstage.candle_series ON id = series_id WHERE symbol = $1 ORDER BY 1',
      ['SAME'],
    )
  await write(series, span, { at: '2025-01-03T00:00:00Z', candles: first, finalBefore: span.from })
  const before = await versions()
  assert.equal(before.length, 1440)
  await write(series, span, { at: '2025-01-03T00:10:00Z', candles: first, finalBefore: span.from })
  assert.deepEqual(await versions(), before)
  const [gone, changed, ...rest] = first
  assert.ok(gone && changed)
  await write(series, span, {
    at: '2025-01-03T00:20:00Z',
    candles: [{ ...changed, close: 5.5 }, ...rest],
    excluded: [gone.epoch],
    finalBefore: span.from,
  })
  const after = await stored(series, span)
  assert.deepEqual(after.excluded, [gone.epoch])
  assert.equal(after.candles[0]?.close, 5.5)
  const untouched = new Map(before.map(({ minute, xmin }) => [minute, xmin]))
  const rewritten = (await versions()).filter(({ minute, xmin }) => untouched.get(minute) !== xmin)
  assert.deepEqual(
    rewritten.map(({ minute }) => minute * 60),
    [gone.epoch, changed.epoch],
  )
})

test('candles from before 1970 are read as all others are', async () => {
  const series = seriesOf('OLD')
  const span = { from: day('1969-12-01'), to: day('1970-02-01') }
  const all = candles(span, daySeconds, 100)
  await write(series, span, { at: '2025-03-12T22:00:00Z', candles: all })
  for (const from of ['1969-12-01', '1969-12-30', '1970-01-01', '1970-01-02']) {
    const state = (await store.state(series, { from: day(from), to: span.to })) ?? assert.fail()
    const { list } = await store.read(state, { from: day(from), to: span.to })
    assert.deepEqual(
      list.candles.map(({ epoch }) => epoch),
      all.map(({ epoch }) => epoch).filter((epoch) => epoch >= day(from)),
    )
  }
})

test('writers of one series at the same time, whatever their spans, leave each candle once and all of it stored for good', async () => {
  const series = seriesOf('RACE', 'MINUTE_1')
  const span: TimeSpan = { from: day('2025-01-02'), to: day('2025-01-04') }
  const spans = Array.from({ length: 24 }, (_, i) => ({ from: span.from + i * 3600, to: span.from + (i + 24) * 3600 }))
  await Promise.all(
    spans.map((each) => write(series, each, { at: '2025-01-05T00:00:00Z', candles: candles(each, 60, 5) })),
  )
  const { candles: found, gaps } = await stored(series, { from: span.from, to: span.from + 47 * 3600 })
  assert.deepEqual(gaps, [])
  assert.deepEqual(
    found.map(({ epoch }) => epoch),
    candles({ from: span.from, to: span.from + 47 * 3600 }, 60, 5).map(({ epoch }) => epoch),
  )
})

test('what is not final is stored, and asked for again', async () => {
  const series = seriesOf('OPEN', 'MINUTE_1')
  const span: TimeSpan = { from: day('2025-01-02'), to: day('2025-01-03') }
  const opens = span.from + 12 * 3600
  const all = candles(span, 60, 5)
  const running = all.map((candle) => ({ ...candle, closed: candle.epoch < span.to - 60 }))
  await write(series, span, { at: '2025-01-03T00:00:00Z', candles: running, finalBefore: opens })
  const during = await stored(series, span)
  assert.deepEqual(during.gaps, [{ from: opens, to: span.to }])
  assert.deepEqual(during.candles, running)
  await write(series, { from: opens, to: span.to }, { at: '2025-01-03T01:00:00Z', candles: all.slice(720) })
  assert.deepEqual(await stored(series, span), { candles: all, excluded: [], gaps: [] })
})

test('pruning deletes candles under a day from before a time, which then count as missing, and no day', async () => {
  const minutes = seriesOf('PRUNE', 'MINUTE_1')
  const days = seriesOf('PRUNE')
  const span: TimeSpan = { from: day('2024-11-01'), to: day('2025-01-11') }
  await write(minutes, span, { at: '2025-01-12T00:00:00Z', candles: candles(span, 60, 5) })
  await write(days, span, { at: '2025-01-12T00:00:00Z', candles: candles(span, daySeconds, 5) })
  const cut = day('2025-01-08') + 30
  const old = candles({ from: span.from, to: day('2025-01-08') }, 60, 5).length + 1
  assert.ok((await store.prune(cut)) >= old)
  const left = await stored(minutes, span)
  assert.deepEqual(left.gaps, [{ from: span.from, to: cut }])
  assert.equal(left.candles[0]?.epoch, day('2025-01-08') + 60)
  assert.equal(left.candles.length, 3 * 1440 - 1)
  assert.deepEqual((await stored(days, span)).gaps, [])
  assert.equal(await store.prune(cut), 0)
})

test('an answer to an earlier question changes nothing that is stored for good, and of the rest nothing that is newer', async () => {
  const series = seriesOf('LATE', 'MINUTE_1')
  const span: TimeSpan = { from: day('2025-01-02'), to: day('2025-01-03') }
  const noon = span.from + daySeconds / 2
  const right = candles(span, 60, 5)
  await write(series, span, { at: '2025-01-02T23:59:00Z', candles: right, finalBefore: noon })
  await write(series, span, { at: '2025-01-02T23:58:00Z', candles: candles(span, 60, 4), finalBefore: noon })
  assert.deepEqual(await stored(series, span), { candles: right, excluded: [], gaps: [{ from: noon, to: span.to }] })
})

test('a candle is told as closed where another fetch has stored its end since the series was looked at', async () => {
  const series = seriesOf('CLOSING', 'MINUTE_1')
  const [candle] = candles(year, 60, 5)
  assert.ok(candle)
  const span: TimeSpan = { from: candle.epoch, to: candle.epoch + 60 }
  const notFinal = { finalBefore: span.from }
  await write(series, span, { at: '2025-01-01T00:00:59Z', candles: [{ ...candle, closed: false }], ...notFinal })
  const before = await store.state(series, span)
  assert.ok(before)
  assert.deepEqual((await store.read(before, span)).list.candles, [{ ...candle, closed: false }])
  await write(series, span, { at: '2025-01-01T00:01:07Z', candles: [{ ...candle, close: 4, low: 4 }], ...notFinal })
  assert.deepEqual((await store.read(before, span)).list.candles, [{ ...candle, close: 4, low: 4 }])
})

test('a time between two minutes never keeps the other rows from being stored', async () => {
  const series = seriesOf('ODD', 'MINUTE_1')
  const span: TimeSpan = { from: day('2025-01-02'), to: day('2025-01-02') + 300 }
  const odd = [span.from + 61, span.from + 200]
  await write(series, span, { at: '2025-01-03T01:00:00Z', candles: candles(span, 60, 5), excluded: odd })
  assert.equal((await stored(series, span)).candles.length, 5)
})

test('a fetch that comes in while old candles are deleted has what it stored, or has to fetch it again', async () => {
  const series = seriesOf('PRUNED', 'HOUR_1')
  const span: TimeSpan = { from: day('2024-11-01'), to: day('2024-12-01') }
  const all = candles(span, 3600, 5)
  await write(series, span, { at: '2025-01-12T00:00:00Z', candles: all })
  const holder = await pool.connect()
  try {
    // Whoever deletes the first candle has to wait, between saying that it goes and having it gone.
    await holder.query('BEGIN')
    await holder.query('SELECT FROM finstage.candles WHERE minute = $1 FOR UPDATE', [span.from / 60])
    const pruned = store.prune(span.to)
    await waiting(1)
    const written = write(series, span, { at: '2025-01-12T00:00:01Z', candles: all })
    await Promise.race([written, waiting(2)])
    await holder.query('COMMIT')
    await Promise.all([pruned, written])
  } finally {
    holder.release(true)
  }
  const { candles: left, gaps } = await stored(series, span)
  const missing = all.filter(({ epoch }) => gaps.some(({ from, to }) => epoch >= from && epoch < to))
  assert.ok(left.length + missing.length >= all.length)
})

for (const [what, meanwhile] of Object.entries<(series: Series, span: TimeSpan) => Promise<unknown>>({
  'a later fetch': (series, span) =>
    write(series, span, { at: '2025-12-20T00:01:00Z', candles: candles(span, 3600, 7), finalBefore: span.from + 7200 }),
  'a revision': (series, span) =>
    write(series, span, { at: '2025-12-20T00:01:00Z', candles: candles(span, 3600, 7), revises: true }),
  'a deletion of all': (series) => store.forget(series),
  'a deletion of old candles': (_series, span) => store.prune(span.from + 7200),
  'a split': (series) =>
    write({ ...series, interval: 'DAY_1' }, year, {
      at: '2025-12-20T00:01:00Z',
      splits: [{ epoch: day('2025-12-19'), numerator: 2, denominator: 1 }],
    }),
})) {
  test(`an open end whose write begins before ${what} and ends after it leaves what the one leaves after the other`, async () => {
    const span = { from: day('2025-12-19'), to: day('2025-12-19') + 4 * 3600 }
    const open = { at: '2025-12-20T00:00:30Z', candles: candles(span, 3600, 6), finalBefore: span.from + 3600 }
    const left = async (isCrossing: boolean) => {
      const symbol = `${what} ${isCrossing}`
      const series = seriesOf(symbol, 'HOUR_1')
      await write(seriesOf(symbol), year, { at: '2025-12-20T00:00:00Z', candles: candles(year, daySeconds, 5) })
      const before = { from: day('2025-12-01'), to: span.to }
      await write(series, before, { ...open, at: '2025-12-20T00:00:00Z', candles: candles(before, 3600, 5) })
      if (isCrossing) {
        const gated = gatedPool(database.url)
        const { reached, release } = holdAt(gated, { statement: 'candle-write-basis', side: 'after' })
        const written = write(series, span, open, new CandleStore(gated))
        await reached
        await meanwhile(series, span)
        release()
        await written
        await gated.end()
      } else {
        await meanwhile(series, span)
        await write(series, span, open)
      }
      const { candles: found, excluded, gaps } = await stored(series, before)
      const state = await store.state(series, before)
      return { found, excluded, gaps, openFrom: state?.openFrom, receivedAtMs: state?.receivedAtMs }
    }
    assert.deepEqual(await left(true), await left(false))
  })
}

test('what a fetch has looked at is not deleted before the fetch is stored', async () => {
  const series = seriesOf('LOOKED AT', 'HOUR_1')
  const span: TimeSpan = { from: day('2024-11-01'), to: day('2024-12-01') }
  const all = candles(span, 3600, 5)
  await write(series, span, { at: '2025-01-12T00:00:00Z', candles: all })
  const gated = gatedPool(database.url)
  const { reached, release } = holdAt(gated, { statement: 'candle-write-basis', side: 'after' })
  const written = write(series, span, { at: '2025-01-12T00:00:01Z', candles: all }, new CandleStore(gated))
  await reached
  const pruned = store.prune(day('2024-11-10'))
  await Promise.race([pruned, waiting(1)])
  release()
  await Promise.all([pruned, written])
  await gated.end()
  const { candles: left, gaps } = await stored(series, span)
  assert.deepEqual(gaps, [{ from: span.from, to: day('2024-11-10') }])
  assert.deepEqual(
    left.map(({ epoch }) => epoch),
    all.map(({ epoch }) => epoch).filter((epoch) => epoch >= day('2024-11-10')),
  )
})

test('an open end waits for who writes to its symbol, and takes the candles along that it no longer has', async () => {
  const series = seriesOf('TURNS')
  const span: TimeSpan = { from: day('2025-03-03'), to: day('2025-03-06') }
  const all = candles(span, daySeconds, 5)
  const open = { finalBefore: span.from }
  await write(series, span, { at: '2025-03-05T12:00:00Z', candles: all, ...open })
  const holder = await pool.connect()
  try {
    await holder.query("SELECT pg_advisory_lock(hashtextextended('candles YAHOO TURNS', 0))")
    const written = write(series, span, { at: '2025-03-05T12:00:20Z', candles: candles(span, daySeconds, 6), ...open })
    await Promise.race([written, waiting(1)])
    assert.deepEqual((await stored(series, span)).candles, all)
    await holder.query('SELECT pg_advisory_unlock_all()')
    await written
  } finally {
    holder.release(true)
  }
  const fewer = candles(span, daySeconds, 6).filter(({ epoch }) => epoch !== day('2025-03-04'))
  await write(series, span, { at: '2025-03-05T12:00:40Z', candles: fewer, ...open })
  assert.deepEqual((await stored(series, span)).candles, fewer)
})

test('days that are asked for up to the present count as a look at actions for all series of their symbol', async () => {
  const alone = new CandleStore(pool, { isOnlyWriter: true })
  const [days, hours] = [seriesOf('LOOKS'), seriesOf('LOOKS', 'HOUR_1')]
  const span = { from: day('2025-03-01'), to: day('2025-03-07') }
  await write(days, span, { at: '2025-03-05T12:00:00Z', candles: candles(span, daySeconds, 5), isCurrent: true }, alone)
  await write(hours, span, { at: '2025-03-05T13:00:00Z', candles: candles(span, 3600, 5), isCurrent: true }, alone)
  const looks = async (by: CandleStore) =>
    Promise.all([days, hours].map(async (series) => (await by.state(series, span))?.actionsAtMs))
  const first = Date.parse('2025-03-05T12:00:00Z')
  assert.deepEqual(await looks(alone), [first, first])
  const end = { from: day('2025-03-06'), to: day('2025-03-08') }
  const open = { candles: candles(end, daySeconds, 5), finalBefore: day('2025-03-07'), isCurrent: true }
  await write(days, end, { at: '2025-03-07T12:00:00Z', ...open }, alone)
  const second = Date.parse('2025-03-07T12:00:00Z')
  assert.deepEqual(await looks(alone), [second, second])
  assert.deepEqual(await looks(new CandleStore(pool)), [second, second])
})

test('a series that is forgotten has nothing left', async () => {
  const days = seriesOf('FORGET')
  await write(days, year, { at: '2026-01-12T00:00:00Z', candles: candles(year, daySeconds, 5) })
  await store.forget(days)
  assert.deepEqual(await stored(days, year), { candles: [], excluded: [], gaps: [year] })
})

test('a session closes when the longest that was seen would, whatever half day was seen last', async () => {
  const series = seriesOf('HALF')
  const told = (date: string, opens: number, hours: number): Said => ({
    at: `${date}T23:00:00Z`,
    facts: {
      ...{ timezone: 'America/New_York', currency: 'USD', firstTradeEpoch: null },
      ...{ sessionOpens: day(date) + opens * 3600, sessionCloses: day(date) + (opens + hours) * 3600 },
    },
  })
  const closes = async (said: Said): Promise<number | null | undefined> => {
    await write(series, year, said)
    return (await store.state(series, year))?.sessionCloses
  }
  assert.equal(await closes(told('2025-07-03', 13.5, 3.5)), day('2025-07-03') + 17 * 3600)
  assert.equal(await closes(told('2025-07-07', 13.5, 6.5)), day('2025-07-07') + 20 * 3600)
  assert.equal(await closes(told('2025-11-28', 14.5, 3.5)), day('2025-11-28') + 21 * 3600)
  assert.equal(await closes({ at: '2025-12-01T23:00:00Z' }), day('2025-11-28') + 21 * 3600)
  await store.forget(series)
  assert.equal(await closes(told('2025-12-24', 14.5, 3.5)), day('2025-12-24') + 18 * 3600)
})

test('of an open end the answer to the later question stays, but not one of hours ahead: the clock was put back since', async () => {
  const series = seriesOf('CLOCK', 'MINUTE_15')
  const span: TimeSpan = { from: day('2025-03-12'), to: day('2025-03-12') + 2 * 900 }
  const write15 = (at: string, close: number) =>
    write(series, span, { at, candles: candles(span, 900, close), finalBefore: span.from })
  const closes = async () => (await stored(series, span)).candles.map(({ close }) => close)
  await write15('2025-03-12T16:00:00Z', 100)
  await write15('2025-03-12T15:59:00Z', 101)
  assert.deepEqual(await closes(), [100, 100])
  await write15('2025-03-12T14:00:00Z', 102)
  assert.deepEqual(await closes(), [102, 102])
  await write15('2025-03-12T13:59:00Z', 103)
  assert.deepEqual(await closes(), [102, 102])
})

/** What the database has of symbols with a prefix, but for what differs from write to write. */
async function databaseOf(prefix: string): Promise<unknown[][]> {
  const names = `substr(symbol, ${prefix.length + 1}) AS name`
  const statements = [
    `SELECT ${names}, to_jsonb(candle_series) - 'id' - 'symbol' - 'generation' AS row FROM finstage.candle_series`,
    `SELECT ${names}, to_jsonb(candles) - 'series_id' AS row FROM finstage.candles JOIN finstage.candle_series ON id = series_id`,
    `SELECT ${names}, to_jsonb(dividends) - 'symbol' AS row FROM finstage.dividends`,
    `SELECT ${names}, to_jsonb(splits) - 'symbol' AS row FROM finstage.splits`,
  ]
  const tables: unknown[][] = []
  for (const sql of statements) {
    tables.push(await database.query(`${sql} WHERE starts_with(symbol, $1) ORDER BY 1, 2`, [prefix]))
  }
  return tables
}

test('first fetches of symbols that come at the same time leave what each leaves by itself, in fewer transactions', async () => {
  const facts: FetchedCandles['facts'] = {
    ...{ timezone: 'America/New_York', currency: 'USD', firstTradeEpoch: day('1990-01-02'), exchange: 'NYQ' },
    ...{ sessionOpens: day('2025-07-03') + 13.5 * 3600, sessionCloses: day('2025-07-03') + 20 * 3600 },
  }
  const now = '2025-12-31T20:00:00Z'
  const all = candles(year, daySeconds, 5)
  const open = all.map((candle) => ({ ...candle, closed: candle.epoch < day('2025-12-30') }))
  const said: Said[] = [
    { at: now, candles: all, facts },
    { at: now, candles: all, facts, isCurrent: true },
    { at: now, candles: open, finalBefore: day('2025-12-30'), isCurrent: true },
    { at: now, candles: all, excluded: [day('2025-06-01')], facts: { ...facts, sessionOpens: null } },
    { at: now, candles: all, dividends: [{ epoch: day('2025-05-05'), amount: 0.5, currency: null }] },
    { at: now, candles: all, splits: [{ epoch: day('2025-12-29'), numerator: 3, denominator: 2 }] },
    { at: now },
    { at: '2024-06-01T00:00:00Z', candles: all, isCurrent: true, finalBefore: day('2024-06-01') },
    { at: now, candles: all.slice(0, 3) },
  ]
  await Promise.all(said.map((each, i) => write(seriesOf(`TOGETHER ${i}`), year, { ...each, isFirst: true })))
  for (const [i, each] of said.entries()) await write(seriesOf(`ALONE ${i}`), year, each)
  assert.deepEqual(await databaseOf('TOGETHER '), await databaseOf('ALONE '))
  const [counted] = await database.query<{ count: number }>(
    `SELECT count(DISTINCT xmin::text)::int AS count FROM finstage.candle_series WHERE starts_with(symbol, 'TOGETHER ')`,
  )
  assert.ok((counted?.count ?? 0) < said.length / 2)
})

test('of first fetches that come together, one whose symbol somebody else writes to waits for him, and no other does', async () => {
  const [held, free] = [seriesOf('HELD'), seriesOf('FREE')]
  const said = { at: '2025-12-31T22:00:00Z', candles: candles(year, daySeconds, 5), isFirst: true }
  const gated = gatedPool(database.url)
  const { reached, release } = holdAt(gated, { statement: 'candle-write-basis', side: 'after' })
  const hours = { at: said.at, candles: candles({ from: day('2025-12-30'), to: year.to }, 3600, 5) }
  const other = write(seriesOf('HELD', 'HOUR_1'), year, hours, new CandleStore(gated))
  await reached
  const waits = write(held, year, said)
  await write(free, year, said)
  await waiting(1)
  assert.equal(await store.state(held, year), null)
  release()
  await Promise.all([other, waits])
  await gated.end()
  for (const series of [held, free]) assert.equal((await stored(series, year)).candles.length, said.candles.length)
})

test('a first fetch that comes after a split that it lacks is thrown away, with whatever it comes in', async () => {
  const at = '2025-12-31T22:00:00Z'
  const hour: TimeSpan = { from: day('2025-12-30') + 3600, to: day('2025-12-31') }
  const splits = [{ epoch: day('2025-12-31'), numerator: 4, denominator: 1 }]
  const days = { at: '2025-12-31T22:00:01Z', candles: candles(year, daySeconds, 25), splits, isFirst: true }
  const hours = { at, candles: candles(hour, 3600, 100), isFirst: true }
  const [, generation] = await Promise.all([
    write(seriesOf('NEWS'), year, days),
    write(seriesOf('NEWS', 'HOUR_1'), hour, hours),
  ])
  assert.equal(generation, null)
  assert.equal(await store.state(seriesOf('NEWS', 'HOUR_1'), hour), null)
  assert.equal(await write(seriesOf('NEWS', 'HOUR_1'), hour, hours), null)
})

test('first fetches of two series of a symbol that come at the same time are stored apart', async () => {
  const at = '2025-12-31T22:00:00Z'
  const hour: TimeSpan = { from: day('2025-12-30') + 3600, to: day('2025-12-31') }
  const spans = [
    { series: seriesOf('BOTH'), span: year, step: daySeconds },
    { series: seriesOf('BOTH', 'HOUR_1'), span: hour, step: 3600 },
  ]
  await Promise.all(
    spans.map(({ series, span, step }) => write(series, span, { at, candles: candles(span, step, 5), isFirst: true })),
  )
  for (const { series, span, step } of spans) {
    const epochs = (await stored(series, span)).candles.map(({ epoch }) => epoch)
    assert.deepEqual(
      epochs,
      candles(span, step, 5).map(({ epoch }) => epoch),
    )
  }
})

test('what a first fetch has stored is read without asking for it, unless another process has changed it since', async () => {
  const said = { at: '2025-12-31T22:00:00Z', candles: candles(year, daySeconds, 5), isFirst: true }
  const ownPool = createPool(database.url, silentLog)
  const own = new CandleStore(ownPool)
  let reads = 0
  const query = ownPool.query.bind(ownPool) as unknown as (statement: unknown) => unknown
  ownPool.query = ((statement: { name?: string }) => {
    if (statement.name === 'candle-rows-stamped') reads++
    return query(statement)
  }) as typeof ownPool.query
  const closes = async (series: Series) => {
    const state = (await own.state(series, year)) ?? assert.fail()
    return (await own.read(state, year)).list.candles.map(({ close }) => close)
  }
  await write(seriesOf('HANDED'), year, said, own)
  assert.deepEqual(await closes(seriesOf('HANDED')), Array(365).fill(5))
  assert.equal(reads, 0)
  await write(seriesOf('CHANGED'), year, said, own)
  const revised = { at: '2026-01-01T22:00:00Z', candles: candles(year, daySeconds, 6), revises: true }
  await write(seriesOf('CHANGED'), year, revised)
  assert.deepEqual(await closes(seriesOf('CHANGED')), Array(365).fill(6))
  assert.equal(reads, 1)
  await ownPool.end()
})
