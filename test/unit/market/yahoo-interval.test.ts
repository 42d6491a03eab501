import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Interval, intervalSeconds, intervals } from '../../../src/domain/interval.ts'
import { reachDays, spanSeconds, yahooInterval } from '../../../src/market/yahoo-interval.ts'

const daySeconds = 86_400

test('every interval has the name that Yahoo gives it', () => {
  assert.deepEqual(intervals.map(yahooInterval), ['1m', '2m', '5m', '15m', '30m', '1h', '1d'])
})

test('reach is what Yahoo serves', () => {
  assert.deepEqual(intervals.map(reachDays), [30, 60, 60, 60, 60, 730, null])
})

test('a span holds as many candles as asked for, whatever the weekday and the hour it ends at', () => {
  for (const interval of intervals) {
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
function weekdayCandles(interval: Interval, from: number, to: number): number {
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
