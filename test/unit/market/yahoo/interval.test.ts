import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  intervalSeconds,
  intervals,
  type SourceInterval,
  sourceIntervals,
} from '../../../../src/domain/time/interval.ts'
import { reachDays, requestSpans, spanSeconds, yahooInterval } from '../../../../src/market/yahoo/interval.ts'

const daySeconds = 86_400

test('Yahoo is asked by its own names, and never for the half hours, weeks and months that it gets wrong', () => {
  assert.deepEqual(sourceIntervals.map(yahooInterval), ['1m', '2m', '5m', '15m', '1h', '1d'])
})

test('reach is what Yahoo serves; of what is composed, that of its parts', () => {
  assert.deepEqual(intervals.map(reachDays), [30, 60, 60, 60, 60, 730, 730, 730, null, null, null, null])
})

test('a range of minutes is asked for by the week, in parts that adjoin, any other in one', () => {
  const [from, to] = [1_000_000, 1_000_000 + 20 * daySeconds]
  const parts = requestSpans('MINUTE_1', from, to)
  assert.equal(parts.length, 3)
  assert.ok(parts.every((part) => part.to - part.from <= 7 * daySeconds))
  assert.deepEqual(
    parts.map((part) => part.from),
    [from, ...parts.slice(0, -1).map((part) => part.to)],
  )
  assert.equal(parts.at(-1)?.to, to)
  assert.deepEqual(requestSpans('MINUTE_1', from, from + 7 * daySeconds).length, 1)
  for (const interval of sourceIntervals) {
    if (interval !== 'MINUTE_1') assert.deepEqual(requestSpans(interval, from, to), [{ from, to }])
  }
})

test('a span holds as many candles as asked for, whatever the weekday and the hour it ends at', () => {
  for (const interval of sourceIntervals) {
    for (const count of [1, 5, 100, 390, 500, 5000]) {
      for (let end = 0; end < 7 * 24; end++) {
        const to = Date.UTC(2025, 2, 10) / 1000 + end * 3600
        const held = weekdayCandles(interval, to - spanSeconds(interval, count), to)
        assert.ok(held >= count, `${interval}: ${held} of ${count} until hour ${end}`)
      }
    }
  }
})

test('500 one-minute candles lie within the 7 days that Yahoo serves at once', () => {
  assert.ok(spanSeconds('MINUTE_1', 500) <= 7 * daySeconds)
})

/** How many candles begin in [from, to) on an exchange that is open from 14:30 to 21:00 UTC on weekdays. */
function weekdayCandles(interval: SourceInterval, from: number, to: number): number {
  let count = 0
  for (let day = Math.floor(from / daySeconds); day * daySeconds < to; day++) {
    const weekday = (day + 4) % 7
    if (weekday === 0 || weekday === 6) continue
    const start = day * daySeconds + 14.5 * 3600
    const perDay = interval === 'DAY_1' ? 1 : Math.ceil((6.5 * 3600) / intervalSeconds(interval))
    for (let i = 0; i < perDay; i++) {
      const epoch = start + i * intervalSeconds(interval)
      if (epoch >= from && epoch < to) count++
    }
  }
  return count
}
