import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  longestMeasuredSeconds,
  type MeasuredSignal,
  type MeasuringCandles,
  measuredOn,
  measurer,
} from '../../../src/analysis/outcome.ts'
import type { SignalDirection, SignalOutcome } from '../../../src/domain/analysis/signal.ts'
import type { Candle } from '../../../src/domain/candle.ts'
import type { SessionHours } from '../../../src/domain/sessions/session-hours.ts'

const daySeconds = 86_400
const at = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`) / 1000

// Tokyo, as its clock is never changed: from 9:00 to 15:30 is from 0:00 to 6:30 UTC, on the trading date itself.
const closeSeconds = 6.5 * 3600
const tokyo: SessionHours = { timezone: 'Asia/Tokyo', opens: 0, closes: closeSeconds }

const candle = (epoch: number, close: number, changes: Partial<Candle> = {}): Candle => ({
  ...{ epoch, open: close, high: close + 1, low: close - 1, close, volume: 1, closed: true },
  ...changes,
})
/** Days with their closes, from the newest of them on none. */
const days = (closes: Record<string, number>): Candle[] =>
  Object.entries(closes).map(([date, close]) => candle(at(date), close))

const measuring = (candles: readonly Candle[], asOf: number, changes: Partial<MeasuringCandles> = {}) =>
  measurer({ interval: 'DAY_1', hours: tokyo, candles, asOf, isWhole: true, ...changes })
const signal = (date: string, changes: Partial<MeasuredSignal> = {}): MeasuredSignal => ({
  ...{ interval: 'DAY_1', epoch: at(date), direction: 'BULLISH' },
  ...changes,
})
const late = at('2026-01-01')

/** Of a Monday: the closes that tell of its horizons, and some that do not. */
const march = {
  '2025-03-03': 100,
  '2025-03-04': 102,
  '2025-03-05': 90,
  '2025-03-10': 105,
  '2025-03-11': 80,
  '2025-04-02': 130,
  '2025-04-03': 120,
  '2025-04-04': 1000,
}

test('returns are those of the closes a day, a week and a month later, best and worst of highs and lows until then', () => {
  const { outcome, nextAt } = measuring(days(march), late)(signal('2025-03-03'))
  assert.deepEqual(outcome, {
    ...{ return1d: 2, return1w: 5, return1m: 20, complete: true },
    // Of 131 on the second of April, and of 79 on the eleventh of March.
    ...{ maxReturn: 31, minReturn: -21 },
  })
  assert.equal(nextAt, null)
})

test('the example of docs/signal-outcomes.md is right', (t) => {
  const dir = process.env.MARKET_DATA_DIR
  if (dir === undefined) return t.skip('MARKET_DATA_DIR is not set')
  const [, ...lines] = readFileSync(join(dir, 'spy-daily-2017-2018.csv'), 'utf8').trim().split('\n')
  const spy = lines.map((line) => {
    const [date = '', ...numbers] = line.split(',')
    const [, high, low, close] = numbers.map(Number)
    return candle(at(date), close ?? 0, { high: high ?? 0, low: low ?? 0 })
  })
  const { outcome } = measuring(spy, late)(signal('2018-01-31', { direction: 'BEARISH' }))
  const rounded = Object.entries(outcome).map(([name, value]) => `${name} ${Number(value).toFixed(3)}`)
  const wanted = ['return1d 0.114', 'return1w 5.050', 'return1m 3.639', 'maxReturn 10.283', 'minReturn -0.409']
  assert.deepEqual(rounded.slice(0, 5), wanted)
})

test('of a bearish signal a fall is a gain and the low the best, of a neutral one signs stay', () => {
  const measure = measuring(days(march), late)
  assert.deepEqual(measure(signal('2025-03-03', { direction: 'BEARISH' })).outcome, {
    ...{ return1d: -2, return1w: -5, return1m: -20, complete: true },
    ...{ maxReturn: 21, minReturn: -31 },
  })
  const neutral = measure(signal('2025-03-03', { direction: 'NEUTRAL' }))
  assert.deepEqual(neutral, measure(signal('2025-03-03')))
  const flat = measuring(days({ '2025-03-03': 100, '2025-03-04': 100 }), at('2025-03-05'))
  assert.ok(Object.is(flat(signal('2025-03-03', { direction: 'BEARISH' })).outcome.return1d, 0))
})

test('a split between the signal and a horizon changes nothing, as all prices are of one series', () => {
  const before = measuring(days(march), late)(signal('2025-03-03'))
  const split = days(march).map((each) => ({ ...each, close: each.close / 4, high: each.high / 4, low: each.low / 4 }))
  assert.deepEqual(measuring(split, late)(signal('2025-03-03')), before)
})

test('a horizon is never told by a candle that lies at a later one: after a gap of two weeks it has none', () => {
  const gap = { '2025-03-03': 100, '2025-03-17': 150, '2025-04-03': 120 }
  const { outcome } = measuring(days(gap), late)(signal('2025-03-03'))
  assert.deepEqual([outcome.return1d, outcome.return1w, outcome.return1m], [null, 50, 20])
  // The day before a week is the last for a day, that before the month the last for a week, and two weeks later the last for it.
  for (const [date, wanted] of [
    ['2025-03-09', [50, null, null]],
    ['2025-03-10', [null, 50, null]],
    ['2025-04-02', [null, 50, null]],
    ['2025-04-03', [null, null, 50]],
    ['2025-04-17', [null, null, 50]],
    ['2025-04-18', [null, null, null]],
  ] as const) {
    const found = measuring(days({ '2025-03-03': 100, [date]: 150 }), late)(signal('2025-03-03')).outcome
    assert.deepEqual([found.return1d, found.return1w, found.return1m], wanted, date)
    assert.equal(found.complete, true, date)
  }
})

test('where no candle comes, a horizon is given up when the last that would count is over, and best and worst end there', () => {
  const candles = days({ '2025-03-03': 100, '2025-03-05': 110 })
  const until = at('2025-04-17') + closeSeconds
  const before = measuring(candles, until - 1)(signal('2025-03-03'))
  assert.equal(before.outcome.complete, false)
  assert.deepEqual([before.outcome.maxReturn, before.outcome.minReturn], [null, null])
  const after = measuring(candles, until)(signal('2025-03-03'))
  assert.deepEqual(after.outcome, {
    ...{ return1d: 10, return1w: null, return1m: null, complete: true },
    ...{ maxReturn: 11, minReturn: 9 },
  })
  const alone = measuring(days({ '2025-03-03': 100 }), until)(signal('2025-03-03')).outcome
  assert.deepEqual([alone.maxReturn, alone.minReturn, alone.complete], [null, null, true])
})

test('during an outage what is there is measured, but that nothing came is not concluded', () => {
  const candles = days({ '2025-03-03': 100, '2025-03-04': 102 })
  const { outcome, nextAt } = measuring(candles, late, { isWhole: false })(signal('2025-03-03'))
  assert.deepEqual([outcome.return1d, outcome.return1w, outcome.complete], [2, null, false])
  assert.notEqual(nextAt, null)
  // A later candle says it all the same.
  const later = measuring([...candles, candle(at('2025-06-02'), 90)], late, { isWhole: false })(signal('2025-03-03'))
  assert.equal(later.outcome.complete, true)
})

test('a forming candle is neither a horizon nor what is measured from, nor is one whose last price may not have come', () => {
  const closing = at('2025-03-04') + closeSeconds
  const [base, next] = days({ '2025-03-03': 100, '2025-03-04': 102 }) as [Candle, Candle]
  const forming = measuring([base, { ...next, closed: false }], closing)(signal('2025-03-03'))
  assert.deepEqual([forming.outcome.return1d, forming.nextAt], [null, closing])
  const unsettled = measuring([base, next], closing - 1)(signal('2025-03-03'))
  assert.deepEqual([unsettled.outcome.return1d, unsettled.nextAt], [null, closing])
  assert.equal(measuring([base, next], closing)(signal('2025-03-03')).outcome.return1d, 2)
  const open = measuring([{ ...base, closed: false }], at('2025-03-03') + closeSeconds)(signal('2025-03-03'))
  assert.deepEqual([open.outcome.complete, open.nextAt], [false, at('2025-03-03') + closeSeconds])
})

test('a month is a calendar month, to the last day of a shorter one', () => {
  const january = { '2025-01-31': 100, '2025-02-27': 110, '2025-02-28': 120, '2025-03-03': 130 }
  assert.equal(measuring(days(january), late)(signal('2025-01-31')).outcome.return1m, 20)
  const leap = { '2024-01-31': 100, '2024-02-28': 110, '2024-02-29': 120 }
  assert.equal(measuring(days(leap), late)(signal('2024-01-31')).outcome.return1m, 20)
  const december = { '2024-12-15': 100, '2025-01-14': 110, '2025-01-15': 120 }
  assert.equal(measuring(days(december), late)(signal('2024-12-15')).outcome.return1m, 20)
})

test('weeks, months and quarters are measured from the last day that they have', () => {
  assert.deepEqual(
    ['DAY_1', 'WEEK_1', 'MONTH_1', 'MONTH_3', 'HOUR_1', 'HOUR_4'].map((each) => measuredOn(each as 'DAY_1')),
    [...['DAY_1', 'DAY_1', 'DAY_1', 'DAY_1', 'HOUR_1', 'HOUR_4']],
  )
  const closes = { '2025-02-27': 50, '2025-02-28': 80, '2025-03-03': 100, '2025-03-06': 200, '2025-03-10': 210 }
  const measure = measuring(days(closes), late)
  // Friday was a holiday.
  assert.equal(measure(signal('2025-03-03', { interval: 'WEEK_1' })).outcome.return1d, 5)
  assert.equal(measure(signal('2025-02-01', { interval: 'MONTH_1' })).outcome.return1d, 25)
  const quarters = measuring(days({ '2024-12-31': 70, '2025-03-28': 80, '2025-04-01': 100 }), late)
  assert.equal(quarters(signal('2025-01-01', { interval: 'MONTH_3' })).outcome.return1d, 25)
})

test('without the candle of the signal, or with a price of nothing, nothing is measured and nothing waited for', () => {
  const others = days({ '2025-03-04': 102, '2025-03-10': 105 })
  const nothing = { return1d: null, return1w: null, return1m: null, maxReturn: null, minReturn: null }
  for (const [candles, isWhole] of [
    [others, true],
    [others, false],
    [[], true],
    [days({ '2025-03-03': 0, '2025-03-04': 1 }), true],
    [days({ '2025-03-03': -37, '2025-03-04': 1 }), true],
  ] as const) {
    const { outcome, nextAt } = measuring(candles, at('2025-03-11'), { isWhole })(signal('2025-03-03'))
    assert.deepEqual([outcome, nextAt], [{ ...nothing, complete: true }, null])
  }
  const hidden = measuring([], at('2025-03-11'), { isWhole: false })(signal('2025-03-03'))
  assert.deepEqual([hidden.outcome.complete, hidden.nextAt], [false, at('2025-03-11')])
})

/** The hours of a session in Tokyo: the last is half a one. */
const hours = (date: string, closes: readonly number[]): Candle[] =>
  closes.map((close, hour) => candle(at(date) + hour * 3600, close))

test('shorter candles count by their end: a day, a week and a month after that of the signal', () => {
  const candles = [
    ...hours('2025-03-03', [100, 101, 102, 103, 104, 105, 106]),
    ...hours('2025-03-04', [110, 111, 112, 113, 114, 115, 116]),
    ...hours('2025-03-10', [120, 121, 122, 123, 124, 125, 126]),
    ...hours('2025-04-03', [130, 131, 132, 133, 134, 135, 136]),
  ]
  const measure = measuring(candles, late, { interval: 'HOUR_1' })
  const returns = (hour: number) => {
    const epoch = at('2025-03-03') + hour * 3600
    const { return1d, return1w, return1m } = measure({ interval: 'HOUR_1', epoch, direction: 'BULLISH' }).outcome
    const priceOf = (percent: number | null) => Math.round(100 + hour + ((percent ?? 0) / 100) * (100 + hour))
    return [priceOf(return1d), priceOf(return1w), priceOf(return1m)]
  }
  assert.deepEqual(returns(0), [110, 120, 130])
  // It ends at half past the hour.
  assert.deepEqual(returns(6), [116, 126, 136])
})

test('the last hour of a Friday is measured a day later by the first candle of Monday', () => {
  const candles = [...hours('2025-03-07', [100, 100, 100, 100, 100, 100, 100]), ...hours('2025-03-10', [150, 160])]
  const measure = measuring(candles, at('2025-03-10T02:00'), { interval: 'HOUR_1' })
  const last = { interval: 'HOUR_1', epoch: at('2025-03-07T06:00'), direction: 'BULLISH' } as const
  assert.equal(measure(last).outcome.return1d, 50)
})

test('it is looked again when the next candle that may tell will be complete, over weekends', () => {
  // A Friday, after three weeks of Monday to Friday.
  const dates = Array.from({ length: 20 }, (_, i) => at('2025-02-10') + i * daySeconds)
  const candles = dates.filter((date) => new Date(date * 1000).getUTCDay() % 6 !== 0).map((date) => candle(date, 100))
  assert.equal(candles.at(-1)?.epoch, at('2025-02-28'))
  const next = (asOf: string) => measuring(candles, at(asOf))(signal('2025-02-28')).nextAt
  assert.equal(next('2025-02-28T06:30'), at('2025-03-03T06:30'))
  assert.equal(next('2025-03-01T06:30'), at('2025-03-03T06:30'))
  // It did not come: a holiday, as far as is known.
  assert.equal(next('2025-03-03T06:30'), at('2025-03-04T06:30'))
})

/** Numbers from 0 to 1, the same in every run: mulberry32. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A candle, and when it is complete by the clock. */
interface Timed {
  readonly candle: Candle
  readonly completeAt: number
}

/** Half a year with weekends, holidays and longer gaps; hours of every session where `hourly`. */
function history(next: () => number, hourly: boolean): Timed[] {
  const all: Timed[] = []
  let closedUntil = 0
  for (let date = at('2024-10-01'); date < at('2025-04-01'); date += daySeconds) {
    const weekday = new Date(date * 1000).getUTCDay()
    if (next() < 0.03) closedUntil = date + Math.floor(next() * 25) * daySeconds
    if (weekday === 0 || weekday === 6 || next() < 0.05 || date < closedUntil) continue
    const starts = hourly ? [0, 1, 2, 3, 4, 5, 6].map((hour) => date + hour * 3600) : [date]
    for (const epoch of starts) {
      const close = 50 + 100 * next()
      const range = { high: close + 10 * next(), low: close - 10 * next() }
      const length = hourly ? 3600 : daySeconds
      const completeAt = Math.min(epoch + length, date + closeSeconds)
      all.push({ candle: candle(epoch, close, range), completeAt })
    }
  }
  return all
}

/** The same day of the next month, or its last. */
function monthLater(time: number): number {
  const date = new Date(time * 1000)
  const month = (date.getUTCMonth() + 1) % 12
  const later = new Date(date)
  later.setUTCMonth(date.getUTCMonth() + 1)
  while (later.getUTCMonth() !== month) later.setUTCDate(later.getUTCDate() - 1)
  return later.getTime() / 1000
}

/** By the definitions, one after the other, over all that has happened by a time. */
function recomputed(all: readonly Timed[], signal: MeasuredSignal, asOf: number): SignalOutcome {
  const hourly = signal.interval === 'HOUR_1'
  const timeOf = (each: Timed): number => (hourly ? each.completeAt : each.candle.epoch)
  const lasts = {
    HOUR_1: signal.epoch,
    DAY_1: signal.epoch,
    WEEK_1: signal.epoch + 6 * daySeconds,
    MONTH_1: monthLater(signal.epoch) - daySeconds,
  } as Record<string, number>
  const base = all.findLast(({ candle }) => candle.epoch <= (lasts[signal.interval] ?? 0)) as Timed
  const closed = all.filter(({ completeAt }) => completeAt <= asOf)
  const sign = signal.direction === 'BEARISH' ? -1 : 1
  const percent = (price: number): number => sign * (price / base.candle.close - 1) * 100
  const start = timeOf(base)
  const [day, week, month] = [start + daySeconds, start + 7 * daySeconds, monthLater(start)]
  const isOver = (last: number): boolean =>
    asOf >= (hourly ? last : last + closeSeconds) || all.some((each) => timeOf(each) > last && begun(each, asOf))
  const horizon = (from: number, last: number) => {
    const found = closed.find((each) => timeOf(each) >= from && timeOf(each) <= last)
    return { found, isSettled: found !== undefined || isOver(last) }
  }
  const step = hourly ? 1 : daySeconds
  const horizons = [horizon(day, week - step), horizon(week, month - step), horizon(month, month + 14 * daySeconds)]
  const [return1d = null, return1w = null, return1m = null] = horizons.map(({ found }) =>
    found ? percent(found.candle.close) : null,
  )
  const last = horizons[2]?.found
  const inMonth = closed.filter(
    (each) => each.candle.epoch > base.candle.epoch && timeOf(each) <= (last ? timeOf(last) : month + 14 * daySeconds),
  )
  const prices = inMonth.flatMap(({ candle }) => [percent(candle.high), percent(candle.low)])
  const isKnown = horizons[2]?.isSettled === true && prices.length > 0
  return {
    ...{ return1d, return1w, return1m },
    maxReturn: isKnown ? Math.max(...prices) : null,
    minReturn: isKnown ? Math.min(...prices) : null,
    complete: horizons.every(({ isSettled }) => isSettled),
  }
}

const begun = ({ candle }: Timed, asOf: number): boolean => candle.epoch <= asOf

/** What a source shows at a time: the running candle with other prices than it will have. */
const shown = (all: readonly Timed[], now: number): Candle[] =>
  all
    .filter((each) => begun(each, now))
    .map(({ candle, completeAt }) =>
      completeAt <= now ? candle : { ...candle, close: 1, high: 1e6, low: 1e-6, closed: false },
    )

function assertOutcome(actual: SignalOutcome, expected: SignalOutcome, message: string): void {
  const rounded = (outcome: SignalOutcome) =>
    Object.fromEntries(
      Object.entries(outcome).map(([name, value]) => [name, typeof value === 'number' ? value.toFixed(9) : value]),
    )
  assert.deepEqual(rounded(actual), rounded(expected), message)
}

interface Case {
  readonly all: readonly Timed[]
  readonly signal: MeasuredSignal
  readonly text: string
}

/** Signals of four intervals and three directions over made-up calendars. */
function cases(count: number): Case[] {
  return Array.from({ length: count }, (_, seed) => {
    const next = random(seed)
    const interval = (['DAY_1', 'WEEK_1', 'MONTH_1', 'HOUR_1'] as const)[seed % 4] ?? 'DAY_1'
    const all = history(next, interval === 'HOUR_1')
    const direction = (['BULLISH', 'BEARISH', 'NEUTRAL'] as const satisfies SignalDirection[])[seed % 3] ?? 'NEUTRAL'
    const { epoch } = (all[Math.floor(next() * all.length * 0.9)] as Timed).candle
    const date = new Date(epoch * 1000)
    const starts = {
      ...{ DAY_1: epoch, HOUR_1: epoch },
      WEEK_1: epoch - ((date.getUTCDay() + 6) % 7) * daySeconds,
      MONTH_1: Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / 1000,
    }
    return { all, signal: { interval, direction, epoch: starts[interval] }, text: `seed ${seed}` }
  })
}
const asOfDays = [0, 1, 2, 3, 5, 7, 8, 10, 14, 28, 30, 31, 32, 40, 44, 46, 60]

test('over made-up calendars outcomes are what the definitions say, at any time', () => {
  let filled = 0
  for (const { all, signal, text } of cases(200)) {
    const start =
      signal.epoch + (signal.interval === 'MONTH_1' ? 31 : signal.interval === 'WEEK_1' ? 7 : 1) * daySeconds
    for (const day of asOfDays) {
      const asOf = start + day * daySeconds + ((day * 7919) % daySeconds)
      const options = { interval: measuredOn(signal.interval) }
      const { outcome, nextAt } = measuring(shown(all, asOf), asOf, options)(signal)
      const expected = recomputed(all, signal, asOf)
      assertOutcome(outcome, expected, `${text}, ${day} days later`)
      assert.equal(nextAt === null, expected.complete)
      filled += Object.values(outcome).filter((value) => typeof value === 'number').length
    }
  }
  assert.ok(filled > 5000)
})

test('who looks when told to finds every outcome, changes none that is filled in, and looks seldom', () => {
  const settleSeconds = 1800
  let looks = 0
  const all = cases(100)
  for (const { all: candles, signal, text } of all) {
    const options = { interval: measuredOn(signal.interval) }
    const known: Record<string, unknown> = {}
    let asOf = signal.epoch + (signal.interval === 'MONTH_1' ? 31 : signal.interval === 'WEEK_1' ? 7 : 1) * daySeconds
    for (;;) {
      const now = asOf + settleSeconds
      const { outcome, nextAt } = measuring(shown(candles, now), asOf, options)(signal)
      for (const [name, value] of Object.entries(outcome)) {
        if (typeof value !== 'number') continue
        assert.equal(known[name] ?? value, value, `${text} ${name}`)
        known[name] = value
      }
      looks++
      if (nextAt === null) break
      asOf = Math.max(nextAt, now)
    }
    const end = signal.epoch + 31 * daySeconds + longestMeasuredSeconds
    assertOutcome(recomputed(candles, signal, asOf), recomputed(candles, signal, Math.max(asOf, end)), text)
    assertOutcome({ ...noOutcome, ...known, complete: true }, recomputed(candles, signal, asOf), text)
  }
  assert.ok(looks / all.length < 12, `${looks / all.length} looks for each signal`)
})

const noOutcome = { return1d: null, return1w: null, return1m: null, maxReturn: null, minReturn: null }

test("a week's signal is measured from the last day of the exchange's own week, however short that is", () => {
  // Tel Aviv moved from Sunday to Monday on 2026-01-05: the Sunday before is a week of its own.
  const telAviv: SessionHours = { timezone: 'Asia/Jerusalem', exchange: 'TLV', opens: null, closes: null }
  const closes = { '2026-01-04': 100, '2026-01-05': 110, '2026-01-06': 120, '2026-01-08': 140, '2026-01-11': 150 }
  const measure = measuring(days(closes), at('2026-06-01'), { hours: telAviv })
  const { outcome } = measure(signal('2026-01-04', { interval: 'WEEK_1' }))
  assert.deepEqual([outcome.return1d, outcome.return1w], [10, 50])
  const riyadh: SessionHours = { timezone: 'Asia/Riyadh', exchange: 'SAU', opens: null, closes: null }
  const week = { '2026-11-15': 90, '2026-11-19': 100, '2026-11-22': 103, '2026-11-26': 104 }
  const thursday = at('2026-11-19T12:00')
  for (const [asOf, return1d, nextAt] of [
    // Until the bell of Thursday there is no base.
    [thursday - 1, null, thursday],
    [at('2026-11-22T12:00'), 3, at('2026-11-26T12:00')],
  ] as const) {
    const measured = measuring(days(week), asOf, { hours: riyadh })(signal('2026-11-15', { interval: 'WEEK_1' }))
    assert.deepEqual([measured.outcome.return1d, measured.nextAt], [return1d, nextAt])
  }
})
