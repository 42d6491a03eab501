import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Candle } from '../../../../src/domain/candle.ts'
import type { PriceUpdate } from '../../../../src/domain/price-update.ts'
import type { SessionHours } from '../../../../src/domain/sessions/session-hours.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { type Interval, intervals, isComposed, isDaily, sourceInterval } from '../../../../src/domain/time/interval.ts'
import { compose as composeInSteps } from '../../../../src/market/candles/composition.ts'
import { type CandleChange, LiveCandleBuilder } from '../../../../src/market/live-candles/builder.ts'
import {
  at,
  candleAt,
  epochAt,
  newYork,
  type quoteAt,
  seriesOf,
  updateAt,
} from '../../../support/candles/live-candles.ts'
import { barsOf, type Model, sessionsOf } from '../../../support/candles/model-market.ts'

const compose = (...given: Parameters<typeof composeInSteps>) => finished(composeInSteps(...given))

/** Two weeks over the change of daylight saving. */
const firstDay = epochAt('2025-03-03T00:00:00Z') / 86_400
const model: Model = {
  ...{ timezone: 'America/New_York', opens: 34_200, closes: 57_600, firstDay, lastDay: firstDay + 11 },
  ...{ holidays: new Set(), halfDays: new Set(), splits: [], dividends: [], delaySeconds: 0, seed: 3 },
}
const sessions = sessionsOf(model)
const hours: SessionHours = {
  timezone: model.timezone,
  opens: sessions[0]?.start ?? null,
  closes: sessions[0]?.end ?? null,
}
const afterAll = epochAt('2026-01-01T00:00:00Z')

/** Start and end of all candles that there can be, by a calendar of their own. */
function spansOf(interval: Interval): { start: number; end: number; from: number }[] {
  const bars = barsOf(model, sourceInterval(interval), afterAll)
  const starts = isComposed(interval)
    ? compose(interval, bars, { hours, now: afterAll, isCurrent: true }).map(({ epoch }) => epoch)
    : bars.map(({ epoch }) => epoch)
  const size = { MINUTE_1: 60, MINUTE_2: 120, MINUTE_5: 300, MINUTE_15: 900, MINUTE_30: 1800, HOUR_1: 3600 }
  return starts.map((start) => {
    if (interval === 'HOUR_2' || interval === 'HOUR_4') {
      // The last hour of a session is counted in full.
      const bell = sessions.find(({ end }) => end > start)?.end ?? 0
      const hours = Math.min(interval === 'HOUR_2' ? 2 : 4, Math.ceil((bell - start) / 3600))
      return { start, end: start + hours * 3600, from: start }
    }
    if (!isDaily(interval)) return { start, end: start + size[interval as keyof typeof size], from: start }
    const first = sessions.find(({ day }) => day * 86_400 >= start)
    if (interval === 'DAY_1') return { start, end: first?.end ?? 0, from: first?.start ?? 0 }
    const end = interval === 'WEEK_1' ? start + 7 * 86_400 : epochAt('2025-04-01T00:00:00Z')
    // Midnight in New York, in summer: both ends lie there.
    return { start, end: end + 4 * 3600, from: first?.start ?? 0 }
  })
}
const spans = new Map(intervals.map((interval) => [interval, spansOf(interval)]))

interface Trade {
  readonly timeMs: number
  readonly price: number
  /** Of the day so far; null: not told. */
  readonly volume: number | null
  /** By how many others it is overtaken on its way. */
  readonly late: number
  readonly isExtended: boolean
}

/** Trades within sessions and after them, in the order of their time. */
const trades: fc.Arbitrary<Trade[]> = fc
  .array(
    fc.record({
      session: fc.nat({ max: sessions.length - 1 }),
      second: fc.oneof(fc.nat({ max: 240 }), fc.nat({ max: 25_000 })),
      price: fc.integer({ min: 50, max: 150 }),
      size: fc.integer({ min: 0, max: 1000 }),
      isVolumeTold: fc.nat(7).map((choice) => choice > 0),
      late: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 6 })),
    }),
    { minLength: 2, maxLength: 80 },
  )
  .map((made) => {
    const sorted = made
      .map(({ session, second, ...trade }) => {
        const { day, start, end } = sessions[session] ?? assert.fail()
        return { ...trade, day, timeMs: (start + second) * 1000, isExtended: start + second >= end }
      })
      .sort((a, b) => a.timeMs - b.timeMs)
    let day = Number.NaN
    let volume = 0
    return sorted.map((trade) => {
      volume = trade.day === day ? volume + trade.size : trade.size
      day = trade.day
      return { ...trade, volume: trade.isVolumeTold ? volume : null }
    })
  })

/** Those that are late are overtaken by others. */
const delivered = (made: readonly Trade[]): Trade[] =>
  made
    .map((trade, i) => ({ trade, place: i + trade.late + (trade.late > 0 ? 0.5 : 0) }))
    .sort((a, b) => a.place - b.place)
    .map(({ trade }) => trade)

/** What has to come of it, reckoned anew from all trades. */
function recomputed(interval: Interval, arrived: readonly Trade[]): Candle[] {
  const groups = new Map<number, { trade: Trade; traded: number | null }[]>()
  let counted: Trade | undefined
  let nowMs = 0
  for (const trade of arrived) {
    nowMs = Math.max(nowMs, trade.timeMs)
    // Of one that is overtaken the volume was told by the one that overtook it.
    let traded: number | null = null
    if (!counted || trade.timeMs >= counted.timeMs) {
      // Before the first price nothing is known.
      const before = counted?.volume ?? null
      if (before === null || trade.volume === null) traded = null
      else if (trade.volume >= before) traded = trade.volume - before
      else traded = trade.volume < before / 2 ? trade.volume : 0
      counted = trade
    }
    if (trade.isExtended) continue
    const span = spans.get(interval)?.findLast(({ from }) => from * 1000 <= trade.timeMs) ?? assert.fail()
    const [, previous = Number.NEGATIVE_INFINITY] = [...groups.keys()].sort((a, b) => b - a)
    const isTooOld = groups.size === 1 ? span.start < Math.max(...groups.keys()) : span.start < previous
    if (!isTooOld) groups.set(span.start, [...(groups.get(span.start) ?? []), { trade, traded }])
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([epoch, parts], i) => {
      const prices = parts.map(({ trade }) => trade.price)
      const latestMs = Math.max(...parts.map(({ trade }) => trade.timeMs))
      const end = spans.get(interval)?.find(({ start }) => start === epoch)?.end ?? assert.fail()
      return {
        epoch,
        open: prices[0] ?? Number.NaN,
        high: Math.max(...prices),
        low: Math.min(...prices),
        close: parts.findLast(({ trade }) => trade.timeMs === latestMs)?.trade.price ?? Number.NaN,
        // Unknown from the first price that tells none, or of whose volume a part belongs to others.
        volume:
          parts[0]?.traded === null || parts.some(({ trade }) => trade.volume === null)
            ? null
            : parts.reduce((sum, { traded }) => sum + (traded ?? 0), 0),
        closed: i < groups.size - 1 || end * 1000 <= nowMs,
      }
    })
}

test('candles built from any prices, late ones among them, are those reckoned anew, and each change has the next revision', () => {
  fc.assert(
    fc.property(fc.constantFrom(...intervals), trades, (interval, made) => {
      const builder = new LiveCandleBuilder(seriesOf([], { interval, sessions: hours }), false, 0)
      const arrived = delivered(made)
      const changes: CandleChange[] = []
      let nowMs = 0
      for (const { timeMs, price, volume, isExtended } of arrived) {
        nowMs = Math.max(nowMs, timeMs)
        const marketState = isExtended ? 'POST' : 'REGULAR'
        changes.push(...builder.price(updateAt(timeMs, price, { volume, marketState }), nowMs), ...builder.pass(nowMs))
      }
      const candles = builder.candles.map(({ candle }) => candle)
      assert.deepEqual(candles, recomputed(interval, arrived))
      for (const candle of candles) {
        const of = changes.filter((change) => change.candle.epoch === candle.epoch)
        assert.deepEqual(
          of.map(({ revision }) => revision),
          of.map((_, i) => i + 1),
        )
        assert.deepEqual(of.at(-1)?.candle, candle)
        assert.deepEqual(
          of.map(({ kind }) => kind === 'CLOSE'),
          of.map((change) => change.candle.closed),
        )
      }
    }),
    { numRuns: 1500 },
  )
})

/** A builder of minutes that has seen the price of 14:30:10 as its first. */
function minutes({ extendedHours = false, interval = 'MINUTE_1' as Interval } = {}) {
  const builder = new LiveCandleBuilder(seriesOf([], { interval }), extendedHours, 0)
  return {
    builder,
    price: (
      time: string,
      price: number,
      fields: Parameters<typeof quoteAt>[2] = {},
      kind: PriceUpdate['kind'] = 'TICK',
    ) => builder.price(updateAt(at(`2025-01-08T${time}Z`), price, fields, kind), at(`2025-01-08T${time}Z`)).map(shown),
    pass: (time: string) => builder.pass(at(`2025-01-08T${time}Z`)).map(shown),
    /** Asked and answered at a time. */
    adopt: (time: string, nodes: readonly Candle[], fields = {}) =>
      builder
        .adopt(seriesOf(nodes, { interval, ...fields }), at(`2025-01-08T${time}Z`), at(`2025-01-08T${time}Z`))
        .map(shown),
  }
}

const shown = ({ kind, revision, candle: { epoch, open, high, low, close, volume } }: CandleChange): string =>
  `${kind} ${new Date(epoch * 1000).toISOString().slice(11, 16)} r${revision} ${open} ${high} ${low} ${close} ${volume}`

const minute = (time: string, price: number, fields: Partial<Candle> = {}): Candle =>
  candleAt(`2025-01-08T${time}:00Z`, price, fields)

test('a candle closes by the clock or by the first price of the next, and a price that comes late closes it once more', () => {
  const { price, pass } = minutes()
  assert.deepEqual(price('14:30:10', 100), ['UPDATE 14:30 r1 100 100 100 100 null'])
  assert.deepEqual(price('14:30:20', 101), ['UPDATE 14:30 r2 100 101 100 101 null'])
  assert.deepEqual(pass('14:30:59'), [])
  assert.deepEqual(pass('14:31:00'), ['CLOSE 14:30 r3 100 101 100 101 null'])
  assert.deepEqual(pass('14:31:01'), [])
  assert.deepEqual(price('14:30:59', 99), ['CLOSE 14:30 r4 100 101 99 99 null'])
  assert.deepEqual(price('14:31:30', 98), ['UPDATE 14:31 r1 98 98 98 98 null'])
  assert.deepEqual(price('14:32:30', 97), ['CLOSE 14:31 r2 98 98 98 98 null', 'UPDATE 14:32 r1 97 97 97 97 null'])
  assert.deepEqual(price('14:31:10', 95), ['CLOSE 14:31 r3 98 98 95 98 null'])
  assert.deepEqual(price('14:30:10', 1), [])
})

test('a status and a price that is told again change nothing', () => {
  const { price } = minutes()
  price('14:29:10', 100, { volume: 5 })
  price('14:30:10', 100, { volume: 10 })
  assert.deepEqual(price('14:30:10', 100, { volume: 10 }), [])
  assert.deepEqual(price('14:30:20', 101, { volume: 20 }, 'STATUS'), [])
  assert.deepEqual(price('14:30:30', 101, { volume: 30 }), ['UPDATE 14:30 r2 100 101 100 101 15'])
})

test('a price that is told again does not undo what the source has told since', () => {
  const { price, pass, adopt } = minutes()
  price('14:30:10', 100)
  pass('14:31:00')
  assert.deepEqual(adopt('14:31:10', [minute('14:30', 100, { close: 99, low: 99 })]), [
    'CLOSE 14:30 r3 100 100 99 99 0',
  ])
  assert.deepEqual(price('14:30:10', 100), [])
})

test('volume is the difference of that of the day and never negative', () => {
  const { price, adopt } = minutes()
  adopt('14:30:05', [minute('14:30', 100, { volume: 70, closed: false })])
  assert.deepEqual(price('14:30:10', 101, { volume: 1000 }), ['UPDATE 14:30 r2 100 101 100 101 70'])
  assert.deepEqual(price('14:30:20', 101, { volume: 1300 }), ['UPDATE 14:30 r3 100 101 100 101 370'])
  // A correction.
  assert.deepEqual(price('14:30:30', 101, { volume: 1250 }), [])
  assert.deepEqual(price('14:30:40', 101, { volume: 1260 }), ['UPDATE 14:30 r4 100 101 100 101 380'])
  // The day begins anew.
  assert.deepEqual(price('14:30:50', 101, { volume: 40 }), ['UPDATE 14:30 r5 100 101 100 101 420'])
  // What is traded before the session is not part of it.
  const other = minutes()
  other.price('14:29:00', 100, { volume: 0, marketState: 'PRE' })
  other.price('14:29:10', 100, { volume: 500, marketState: 'PRE' })
  assert.deepEqual(other.price('14:30:05', 100, { volume: 520 }), ['UPDATE 14:30 r1 100 100 100 100 20'])
})

test('a candle of which one part has an unknown volume has an unknown volume, until the source tells it', () => {
  const { price, adopt } = minutes()
  // What was traded before the first price is unknown.
  assert.deepEqual(price('14:30:10', 100, { volume: 1000 }), ['UPDATE 14:30 r1 100 100 100 100 null'])
  assert.deepEqual(price('14:30:20', 101, { volume: 1300 }), ['UPDATE 14:30 r2 100 101 100 101 null'])
  assert.deepEqual(price('14:31:10', 101, { volume: 1310 }).at(-1), 'UPDATE 14:31 r1 101 101 101 101 10')
  assert.deepEqual(price('14:31:20', 101, { volume: null }), ['UPDATE 14:31 r2 101 101 101 101 null'])
  assert.deepEqual(price('14:31:30', 102, { volume: 1330 }), ['UPDATE 14:31 r3 101 102 101 102 null'])
  assert.deepEqual(price('14:32:10', 101, { volume: null }).at(-1), 'UPDATE 14:32 r1 101 101 101 101 null')
  // Of 60 shares, nobody can tell how many belong to the minute before.
  assert.deepEqual(price('14:33:10', 101, { volume: 1390 }).at(-1), 'UPDATE 14:33 r1 101 101 101 101 null')
  assert.deepEqual(adopt('14:33:20', [minute('14:33', 101, { volume: 45, closed: false })]), [
    'UPDATE 14:33 r2 101 101 101 101 45',
  ])
  assert.deepEqual(price('14:33:30', 101, { volume: 1400 }), ['UPDATE 14:33 r3 101 101 101 101 55'])
  // What is overtaken was counted with the price that overtook it.
  assert.deepEqual(price('14:33:25', 103, { volume: 1395 }), ['UPDATE 14:33 r4 101 103 101 101 55'])
})

test('a candle that the source begins without a volume has none, however many prices tell theirs', () => {
  const { price, adopt } = minutes()
  adopt('14:30:05', [minute('14:30', 100, { volume: null, closed: false })])
  price('14:30:10', 100, { volume: 1000 })
  assert.deepEqual(price('14:30:20', 101, { volume: 1300 }), ['UPDATE 14:30 r2 100 101 100 101 null'])
})

test('what a snapshot tells of a time that is over is nothing new; of a candle that forms it is', () => {
  const { builder, price, adopt } = minutes()
  adopt('14:32:10', [minute('14:31', 90), minute('14:32', 91, { closed: false })])
  const snapshot = updateAt(at('2025-01-08T14:31:30Z'), 50, {}, 'SNAPSHOT')
  assert.deepEqual(builder.price(snapshot, at('2025-01-08T14:32:11Z')), [])
  assert.deepEqual(price('14:32:20', 92, {}, 'SNAPSHOT'), ['UPDATE 14:32 r2 91 92 91 92 null'])
})

test('a price between two candles that are known makes a closed one', () => {
  const { price } = minutes()
  price('14:30:10', 100)
  price('14:32:10', 102)
  assert.deepEqual(price('14:31:10', 101), ['CLOSE 14:31 r1 101 101 101 101 null'])
  assert.deepEqual(price('14:30:50', 100.5), [])
})

test('what the source tells of a closed candle counts once it can know all of it; what is the same is not told', () => {
  const { price, pass, adopt } = minutes()
  price('14:30:10', 100)
  pass('14:31:00')
  // Asked right after the end, and as old as open ends are kept.
  assert.deepEqual(adopt('14:31:01', [minute('14:30', 90, { closed: false })]), [])
  assert.deepEqual(adopt('14:31:02', [minute('14:30', 100, { high: 102, volume: 7 })]), [
    'CLOSE 14:30 r3 100 102 100 100 7',
  ])
  assert.deepEqual(adopt('14:31:03', [minute('14:30', 100, { high: 102, volume: 7 })]), [])
  assert.deepEqual(adopt('14:31:06', [minute('14:30', 100, { high: 103, volume: 8, closed: false })]), [
    'CLOSE 14:30 r4 100 103 100 100 8',
  ])
})

test('what was stored of a candle while it formed is not its end, however long ago that was', () => {
  const { price, pass, adopt } = minutes()
  price('14:30:10', 100)
  pass('14:31:00')
  assert.deepEqual(adopt('14:50:00', [minute('14:30', 90, { closed: false })], { stale: true }), [])
  // Told as closed by who read the answer, but asked for before the end.
  const early = minutes()
  early.price('14:30:10', 100)
  early.pass('14:31:00')
  assert.deepEqual(early.adopt('14:30:59', [minute('14:30', 90)]), [])
})

test('into the candle that forms goes what the source has of it and prices did not tell', () => {
  const { price, adopt } = minutes()
  adopt('14:30:30', [minute('14:30', 100, { high: 105, low: 95, volume: 50, closed: false })])
  price('14:30:35', 104, { volume: 1000 })
  price('14:30:36', 104, { volume: 1010 })
  const told = minute('14:30', 100, { open: 99, high: 106, low: 96, close: 97, volume: 70, closed: false })
  assert.deepEqual(adopt('14:30:40', [told]), ['UPDATE 14:30 r4 99 106 95 104 70'])
  // The source has ended it, at the end of a half day.
  assert.deepEqual(adopt('14:31:10', [minute('14:30', 98)]), ['CLOSE 14:30 r5 98 98 98 98 0'])
})

test('candles that were missed are told when the source tells of them, in their order, and the last of them goes on', () => {
  const { price, adopt } = minutes()
  price('14:30:10', 100)
  assert.deepEqual(
    adopt('14:33:10', [minute('14:30', 100), minute('14:31', 101), minute('14:33', 103, { closed: false })]),
    [
      'CLOSE 14:30 r2 100 100 100 100 null',
      'CLOSE 14:30 r3 100 100 100 100 0',
      'CLOSE 14:31 r1 101 101 101 101 0',
      'UPDATE 14:33 r1 103 103 103 103 0',
    ],
  )
  assert.deepEqual(price('14:33:20', 104, { volume: 5 }), ['UPDATE 14:33 r2 103 104 103 104 0'])
})

test('of candles of which nothing more is expected a change is taken over in silence, and late prices change nothing', () => {
  const { builder, price, adopt } = minutes()
  adopt('15:30:00', [minute('14:30', 100), minute('14:31', 101)])
  assert.deepEqual(price('14:31:50', 1), [])
  assert.deepEqual(adopt('15:30:00', [minute('14:30', 50), minute('14:31', 50.5)]), [])
  assert.deepEqual(
    builder.candles.map(({ candle, revision }) => [candle.close, revision]),
    [
      [50, 2],
      [50.5, 2],
    ],
  )
})

test('history that is loaded later goes before what is known, and what lies too far back is forgotten', () => {
  const { builder, price, adopt } = minutes()
  adopt('14:33:10', [minute('14:33', 3, { closed: false })], { earlier: [minute('14:32', 2)] })
  price('14:33:20', 4, { volume: 5 })
  assert.deepEqual([builder.reaches(1), builder.reaches(2), builder.now.hasEarlier], [true, false, false])
  const all = { earlier: [minute('14:30', 0), minute('14:31', 1), minute('14:32', 2)], isWhole: true }
  assert.deepEqual(adopt('14:33:21', [minute('14:33', 3, { closed: false })], all), [])
  const closes = () => builder.candles.map(({ candle }) => candle.close)
  assert.deepEqual(closes(), [0, 1, 2, 4])
  assert.deepEqual([builder.reaches(3), builder.reaches(1000), builder.now.isWhole], [true, true, true])
  builder.trim(2)
  assert.deepEqual(closes(), [1, 2, 4])
  assert.deepEqual([builder.reaches(2), builder.reaches(3), builder.now.isWhole], [true, false, false])
  assert.equal(builder.now.hasEarlier, true)
})

test('a closed candle is to be compared with the source, the one before a gap again, and none is forgotten until then', () => {
  const { builder, price, pass } = minutes()
  price('14:30:10', 100)
  assert.equal(builder.checks.dueMs, Number.POSITIVE_INFINITY)
  pass('14:31:00')
  assert.equal(builder.checks.dueMs, at('2025-01-08T14:31:07Z'))
  builder.checks.confirm(epochAt('2025-01-08T14:30:00Z'), at('2025-01-08T14:31:07Z'))
  price('14:31:10', 100)
  price('14:32:10', 100)
  builder.trim(1)
  assert.equal(builder.candles.length, 3)
  const recent = minutes()
  recent.adopt('14:31:05', [minute('14:30', 100)])
  assert.equal(recent.builder.checks.oldest, epochAt('2025-01-08T14:30:00Z'))
  const settled = minutes()
  settled.adopt('14:40:00', [candleAt('2025-01-08T14:00:00Z', 100)])
  assert.equal(settled.builder.checks.oldest, Number.POSITIVE_INFINITY)
  settled.price('14:40:10', 100)
  assert.equal(settled.builder.checks.oldest, epochAt('2025-01-08T14:00:00Z'))
})

test('a snapshot after the first, and a new date, have all since the last closed candle looked up', () => {
  const { builder, price, pass } = minutes()
  price('14:30:10', 100, {}, 'SNAPSHOT')
  pass('14:31:00')
  price('14:31:01', 100)
  price('14:31:02', 100, {}, 'SNAPSHOT')
  assert.equal(builder.checks.dueMs, at('2025-01-08T14:31:02Z'))
  assert.equal(builder.checks.oldest, epochAt('2025-01-08T14:30:00Z'))

  const week = minutes({ interval: 'WEEK_1' })
  week.adopt('14:31:03', [candleAt('2025-01-06T00:00:00Z', 1, { closed: false })], {
    earlier: [candleAt('2024-12-30T00:00:00Z', 1)],
  })
  week.price('14:32:00', 2)
  assert.equal(week.builder.checks.dueMs, Number.POSITIVE_INFINITY)
  assert.equal(week.builder.date, epochAt('2025-01-08T00:00:00Z'))
  const nextDay = at('2025-01-09T14:31:00Z')
  week.builder.price(updateAt(nextDay, 3), nextDay)
  assert.equal(week.builder.date, epochAt('2025-01-09T00:00:00Z'))
  assert.equal(week.builder.checks.oldest, epochAt('2024-12-30T00:00:00Z'))
})

test('where prices come late a candle ends so much later, although the source takes it for closed', () => {
  const builder = new LiveCandleBuilder(seriesOf([]), false, 15)
  const nowMs = at('2025-01-08T14:46:10Z')
  builder.adopt(seriesOf([minute('14:29', 1), minute('14:31', 2)]), nowMs, nowMs)
  assert.deepEqual(
    builder.candles.map(({ candle }) => candle.closed),
    [true, false],
  )
  const late = { delayMinutes: 15, volume: 5 }
  assert.deepEqual(builder.price(updateAt(at('2025-01-08T14:31:10Z'), 3, late), nowMs).map(shown), [
    'UPDATE 14:31 r2 2 3 2 3 0',
  ])
  assert.deepEqual(builder.pass(at('2025-01-08T14:46:59Z')), [])
  assert.deepEqual(builder.pass(at('2025-01-08T14:47:00Z')).map(shown), ['CLOSE 14:31 r3 2 3 2 3 0'])
})

test('extended hours have candles before, in and after the session, hours cut at the opening', () => {
  const { price } = minutes({ extendedHours: true, interval: 'HOUR_1' })
  assert.deepEqual(price('14:20:00', 1, { marketState: 'PRE' }), ['UPDATE 14:00 r1 1 1 1 1 null'])
  assert.deepEqual(price('14:30:00', 2), ['CLOSE 14:00 r2 1 1 1 1 null', 'UPDATE 14:30 r1 2 2 2 2 null'])
  assert.deepEqual(price('21:40:00', 3, { marketState: 'POST' }).at(-1), 'UPDATE 21:00 r1 3 3 3 3 null')
})

test('days take the prices of their session alone, weeks and months of all sessions in them', () => {
  const day = minutes({ interval: 'DAY_1', extendedHours: true })
  assert.deepEqual(day.price('13:00:00', 9, { marketState: 'PRE' }), [])
  assert.deepEqual(day.price('14:30:00', 1), ['UPDATE 00:00 r1 1 1 1 1 null'])
  assert.deepEqual(day.pass('20:59:59'), [])
  assert.deepEqual(day.pass('21:00:00'), ['CLOSE 00:00 r2 1 1 1 1 null'])
  assert.deepEqual(day.price('21:00:10', 9, { marketState: 'POST' }), [])
  const month = minutes({ interval: 'MONTH_1' })
  month.price('14:30:00', 1)
  assert.equal(month.builder.candles[0]?.candle.epoch, epochAt('2025-01-01T00:00:00Z'))
  assert.equal(month.builder.endMs, at('2025-02-01T05:00:00Z'))
})

test('the hours that the source tells last are those that count', () => {
  const { builder, price, adopt } = minutes({ interval: 'DAY_1' })
  adopt('14:31:00', [], { sessions: { ...newYork, closes: epochAt('2025-01-06T18:00:00Z') } })
  price('14:40:00', 1)
  assert.equal(builder.endMs, at('2025-01-08T18:00:00Z'))
  adopt('14:41:00', [])
  assert.equal(builder.endMs, at('2025-01-08T21:00:00Z'))
})
