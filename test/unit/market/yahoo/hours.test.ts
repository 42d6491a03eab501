import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TradingHours } from '../../../../src/market/source.ts'
import { finalBefore, knownTimezone, tradingHours, tradingPeriods } from '../../../../src/market/yahoo/hours.ts'

const at = (iso: string): number => Date.parse(iso) / 1000
const day = (date: string): number => at(`${date}T00:00:00Z`)
const iso = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

const hours = (opens: string, closes: string): TradingHours => ({ opens: at(opens), closes: at(closes) })

/** Of Wednesday the 12th, in summer time already. */
const wednesday = hours('2025-03-12T13:30:00Z', '2025-03-12T20:00:00Z')

function final(trading: TradingHours | null, timezone: string, now: string) {
  const of = (interval: 'DAY_1' | 'MINUTE_5') => iso(finalBefore(interval, trading, timezone, at(now)))
  return { days: of('DAY_1').slice(0, 10), minutes: of('MINUTE_5') }
}

const newYork = (now: string, trading: TradingHours | null = wednesday) => final(trading, 'America/New_York', now)

test('before the open all sessions before today are final', () => {
  for (const now of ['2025-03-12T05:00:00Z', '2025-03-12T13:29:59Z']) {
    const { days, minutes } = newYork(now)
    assert.equal(days, '2025-03-12')
    // Yesterday's last trade, and nothing that is yet to come.
    assert.ok(minutes > '2025-03-12T00:00' && minutes < '2025-03-12T13:30')
  }
})

test('whatever the clock says, it is whole seconds: the store takes no others', () => {
  const roundTheClock = hours('2025-03-12T00:00:00Z', '2025-03-12T23:59:00Z')
  for (const trading of [wednesday, roundTheClock, null]) {
    for (let hour = 0; hour < 48; hour++) {
      const now = at('2025-03-12T00:10:00Z') + hour * 3600 + 0.305
      for (const interval of ['DAY_1', 'MINUTE_5'] as const) {
        assert.ok(Number.isInteger(finalBefore(interval, trading, 'UTC', now)), `${interval} at ${now}`)
      }
    }
  }
})

test('nothing of a session that runs is final, and all before it is', () => {
  for (const now of ['2025-03-12T14:00:00Z', '2025-03-12T19:59:59Z']) {
    assert.deepEqual(newYork(now), { days: '2025-03-12', minutes: '2025-03-12T13:30' })
  }
})

test('a session is final half an hour after its close, not before', () => {
  for (const now of ['2025-03-12T20:00:00Z', '2025-03-12T20:29:59Z']) {
    assert.deepEqual(newYork(now), { days: '2025-03-12', minutes: '2025-03-12T13:30' })
  }
  assert.deepEqual(newYork('2025-03-12T20:30:00Z'), { days: '2025-03-13', minutes: '2025-03-12T20:00' })
})

test('at night, when the date has changed in Greenwich and not in New York, the day that was traded is final', () => {
  assert.deepEqual(newYork('2025-03-13T03:00:00Z'), { days: '2025-03-13', minutes: '2025-03-12T20:00' })
})

test("at the weekend Friday is final, and the weekend's own dates are so far as they have passed", () => {
  const friday = hours('2025-03-14T13:30:00Z', '2025-03-14T20:00:00Z')
  assert.deepEqual(newYork('2025-03-15T15:00:00Z', friday), { days: '2025-03-15', minutes: '2025-03-14T20:00' })
  assert.equal(newYork('2025-03-16T15:00:00Z', friday).days, '2025-03-16')
})

test('a half day is final half an hour after it closes, hours before others do', () => {
  const half = hours('2025-11-28T14:30:00Z', '2025-11-28T18:00:00Z')
  assert.equal(newYork('2025-11-28T18:29:59Z', half).days, '2025-11-28')
  assert.deepEqual(newYork('2025-11-28T18:30:00Z', half), { days: '2025-11-29', minutes: '2025-11-28T18:00' })
})

test('hours of long ago, of a symbol that is traded no longer, do not hold back what is long over', () => {
  const { days, minutes } = newYork('2026-02-20T12:00:00Z')
  assert.deepEqual({ days, minutes }, { days: '2026-02-20', minutes: '2026-02-18T12:00' })
})

test('where hours are not known, the day before and all that began within two days may still change', () => {
  assert.deepEqual(newYork('2025-03-12T15:00:00Z', null), { days: '2025-03-11', minutes: '2025-03-10T15:00' })
  // Nor is the zone known then: in New York it is still the 12th.
  assert.equal(final(null, 'UTC', '2025-03-13T02:00:00Z').days, '2025-03-12')
})

test('in a market that never closes a day is final half an hour after midnight', () => {
  const today = hours('2025-03-12T00:00:00Z', '2025-03-13T00:00:00Z')
  assert.deepEqual(final(today, 'UTC', '2025-03-12T00:10:00Z'), { days: '2025-03-11', minutes: '2025-03-11T23:40' })
  assert.deepEqual(final(today, 'UTC', '2025-03-12T00:30:00Z'), { days: '2025-03-12', minutes: '2025-03-12T00:00' })
  assert.deepEqual(final(today, 'UTC', '2025-03-12T23:59:59Z'), { days: '2025-03-12', minutes: '2025-03-12T00:00' })
})

test('east of Greenwich a session is of its own date, and final by it', () => {
  const sydney = hours('2025-01-14T23:00:00Z', '2025-01-15T05:00:00Z')
  const inSydney = (now: string) => final(sydney, 'Australia/Sydney', now)
  assert.deepEqual(inSydney('2025-01-14T23:30:00Z'), { days: '2025-01-15', minutes: '2025-01-14T23:00' })
  assert.deepEqual(inSydney('2025-01-15T05:30:00Z'), { days: '2025-01-16', minutes: '2025-01-15T05:00' })
  const tokyo = hours('2025-01-15T00:00:00Z', '2025-01-15T06:30:00Z')
  assert.equal(final(tokyo, 'Asia/Tokyo', '2025-01-15T06:59:59Z').days, '2025-01-15')
  assert.equal(final(tokyo, 'Asia/Tokyo', '2025-01-15T07:00:00Z').days, '2025-01-16')
})

test('days are counted by the calendar on the days that clocks change', () => {
  // Both a Sunday in New York: 23 and 25 hours long. Markets that never close have a session on them.
  const spring = hours('2025-03-09T05:00:00Z', '2025-03-10T05:00:00Z')
  assert.equal(newYork('2025-03-09T12:00:00Z', spring).days, '2025-03-09')
  assert.equal(newYork('2025-03-10T05:30:00Z', spring).days, '2025-03-10')
  const autumn = hours('2025-11-02T04:00:00Z', '2025-11-03T04:00:00Z')
  assert.equal(newYork('2025-11-02T12:00:00Z', autumn).days, '2025-11-02')
  assert.equal(newYork('2025-11-03T05:30:00Z', autumn).days, '2025-11-03')
  // The Fridays before and the Mondays after have the same hours on the wall.
  const monday = hours('2025-03-10T13:30:00Z', '2025-03-10T20:00:00Z')
  assert.deepEqual(newYork('2025-03-10T14:30:00Z', monday), { days: '2025-03-10', minutes: '2025-03-10T13:30' })
})

const period = (start: string, end: string) => ({ start: at(start), end: at(end) })
const stock = {
  pre: period('2025-03-12T08:00:00Z', '2025-03-12T13:30:00Z'),
  regular: period('2025-03-12T13:30:00Z', '2025-03-12T20:00:00Z'),
  post: period('2025-03-12T20:00:00Z', '2025-03-13T00:00:00Z'),
}
const midnight = day('2025-03-12')
const coin = {
  pre: { start: midnight, end: midnight },
  regular: { start: midnight, end: midnight + 86_340 },
  post: { start: midnight + 86_340, end: midnight + 86_340 },
}

test('extended hours are those from before the open until after the close, and final after them only', () => {
  assert.deepEqual(tradingHours(stock, false), wednesday)
  const all = tradingHours(stock, true)
  assert.deepEqual(all, hours('2025-03-12T08:00:00Z', '2025-03-13T00:00:00Z'))
  assert.equal(newYork('2025-03-12T23:00:00Z', all).minutes, '2025-03-12T08:00')
  assert.equal(newYork('2025-03-12T23:00:00Z').minutes, '2025-03-12T20:00')
  assert.equal(newYork('2025-03-13T00:30:00Z', all).minutes, '2025-03-13T00:00')
})

test('a market without extended hours has the same with and without, until midnight where Yahoo says 23:59', () => {
  for (const extended of [false, true]) {
    assert.deepEqual(tradingHours(coin, extended), { opens: midnight, closes: midnight + 86_400 })
    assert.deepEqual(tradingPeriods(coin, extended), [{ start: midnight, end: midnight + 86_400 }])
    assert.equal(tradingHours({ pre: stock.pre, regular: null, post: stock.post }, extended), null)
  }
  assert.deepEqual(tradingPeriods(stock, true), [stock.pre, stock.regular, stock.post])
  assert.deepEqual(tradingPeriods(stock, false), [stock.regular])
})

test('empty hours before and after count for nothing, wherever Yahoo puts them', () => {
  const nowhere = { start: midnight - 7200, end: midnight - 7200 }
  const odd = { pre: nowhere, regular: stock.regular, post: { start: midnight + 99_999, end: midnight + 99_999 } }
  assert.deepEqual(tradingHours(odd, true), wednesday)
})

test('a time zone that does not exist is UTC', () => {
  assert.deepEqual(['Europe/London', 'Mars/Olympus', ''].map(knownTimezone), ['Europe/London', 'UTC', 'UTC'])
})
