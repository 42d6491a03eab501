import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Candle } from '../../../../src/domain/candle.ts'
import { composedSpan } from '../../../../src/domain/sessions/composed-span.ts'
import { compose } from '../../../../src/market/candles/composition.ts'

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)
const candle = (epoch: number, [open, high, low, close]: readonly number[], volume: number | null = 10): Candle => ({
  epoch,
  open: open ?? 0,
  high: high ?? 0,
  low: low ?? 0,
  close: close ?? 0,
  volume,
  closed: true,
})
const newYork = { timezone: 'America/New_York', opens: null, closes: null }
const later = { hours: newYork, now: at('2030-01-01T00:00:00Z'), isCurrent: true }

test('a week is its days together, dated by its Monday even where that was a holiday, and split where a year ends', () => {
  const weeks = compose(
    'WEEK_1',
    [
      candle(day('2024-12-27'), [1, 2, 1, 2]),
      candle(day('2024-12-31'), [10, 12, 9, 11], 5),
      candle(day('2025-01-02'), [11, 15, 8, 14], 6),
      candle(day('2025-01-03'), [14, 14, 13, 13], 7),
      candle(day('2025-01-06'), [20, 21, 19, 20]),
    ],
    later,
  )
  assert.deepEqual(weeks, [
    candle(day('2024-12-23'), [1, 2, 1, 2]),
    candle(day('2024-12-30'), [10, 15, 8, 13], 18),
    candle(day('2025-01-06'), [20, 21, 19, 20]),
  ])
})

test('a month is its days together, dated by its first', () => {
  const months = compose(
    'MONTH_1',
    [
      candle(day('2024-02-28'), [1, 5, 1, 2], 3),
      candle(day('2024-02-29'), [2, 3, 0.5, 3], 4),
      candle(day('2024-03-01'), [3, 4, 3, 4]),
    ],
    later,
  )
  assert.deepEqual(months, [candle(day('2024-02-01'), [1, 5, 0.5, 3], 7), candle(day('2024-03-01'), [3, 4, 3, 4])])
})

test('the volume of a whole with one part whose volume is unknown is unknown, wherever that part is', () => {
  const volumeWith = (unknown: number, interval: 'WEEK_1' | 'MONTH_1' | 'MINUTE_30', step: number) => {
    const start = day('2026-11-16')
    const parts = [0, 1, 2, 3, 4].map((i) => candle(start + i * step, [1, 1, 1, 1], i === unknown ? null : 1000))
    return compose(interval, parts, later).map(({ volume }) => volume)
  }
  for (const unknown of [0, 2, 4]) {
    assert.deepEqual(volumeWith(unknown, 'WEEK_1', 86_400), [null])
    assert.deepEqual(volumeWith(unknown, 'MONTH_1', 86_400), [null])
  }
  assert.deepEqual(volumeWith(9, 'WEEK_1', 86_400), [5000])
  assert.deepEqual(volumeWith(1, 'MINUTE_30', 900), [null, 2000, 1000])
})

test('half hours are counted from the opening, also where that is a quarter past, and in the other half of the year', () => {
  const hours = { timezone: 'Asia/Kolkata', opens: at('2025-01-06T03:45:00Z'), closes: null }
  const mumbai = { ...later, hours }
  const quarters = ['03:45', '04:00', '04:15', '04:45'].map((time, i) =>
    candle(at(`2025-07-01T${time}:00Z`), [i, i + 1, i, i + 1]),
  )
  assert.deepEqual(
    compose('MINUTE_30', quarters, mumbai).map(({ epoch, open, close }) => [
      new Date(epoch * 1000).toISOString(),
      open,
      close,
    ]),
    [
      ['2025-07-01T03:45:00.000Z', 0, 2],
      ['2025-07-01T04:15:00.000Z', 2, 3],
      ['2025-07-01T04:45:00.000Z', 3, 4],
    ],
  )
})

test('one is open while its time runs, while its last part does, and while it is not known whether that is all', () => {
  const friday = candle(day('2025-01-10'), [1, 1, 1, 1])
  const isClosed = (parts: readonly Candle[], options: object) =>
    compose('WEEK_1', parts, { ...later, ...options }).at(-1)?.closed
  assert.equal(isClosed([friday], { now: day('2025-01-12') }), false)
  assert.equal(isClosed([friday], { now: day('2025-01-13') }), true)
  assert.equal(isClosed([{ ...friday, closed: false }], {}), false)
  assert.equal(isClosed([friday], { isCurrent: false }), false)
})

test('weeks begin on Mondays and months on their firsts, before 1970 too', () => {
  assert.deepEqual(composedSpan('WEEK_1', day('1969-12-31'), newYork), {
    start: day('1969-12-29'),
    end: day('1970-01-05'),
  })
  assert.deepEqual(composedSpan('MONTH_1', day('1969-12-31'), newYork), {
    start: day('1969-12-01'),
    end: day('1970-01-01'),
  })
})
