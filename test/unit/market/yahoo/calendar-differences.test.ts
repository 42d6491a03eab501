import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { SourceInterval } from '../../../../src/domain/time/interval.ts'
import { CalendarDifferences } from '../../../../src/market/yahoo/calendar-differences.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const at = (iso: string): number => Date.parse(iso.length === 10 ? `${iso}T00:00Z` : iso) / 1000

/** Differences of an answer with rows at these times, as `date kind`. */
function differences(
  times: readonly string[],
  interval: SourceInterval,
  options: { exchangeName?: string; extendedHours?: boolean } = {},
) {
  const { exchangeName = 'NMS', extendedHours = false } = options
  const prices = times.map(() => 100)
  const period = (start: string, end: string) => ({ start: at(start), end: at(end) })
  const regular = period('2026-12-01T14:30Z', '2026-12-01T21:00Z')
  const meta = {
    ...{ exchangeName, exchangeTimezoneName: 'America/New_York', firstTradeDate: 0 },
    currentTradingPeriod: { regular, post: period('2026-12-01T21:00Z', '2026-12-02T01:00Z') },
  }
  const quote = { open: prices, high: prices, low: prices, close: prices, volume: prices }
  const result = { meta, timestamp: times.map(at), indicators: { quote: [quote], adjclose: [{ adjclose: prices }] } }
  const query = { symbol: 'TEST', interval, extendedHours, from: -1e10, to: 1e10 }
  const found: string[] = []
  const { candles } = readChart(
    { chart: { result: [result] } },
    query,
    at('2026-12-01T22:00Z') * 1000,
    undefined,
    (calendar, kind, date) => {
      found.push(`${calendar.id} ${new Date(date * 1000).toISOString().slice(0, 10)} ${kind}`)
    },
  )
  // Whatever the calendar says, what the source sends is served.
  assert.equal(candles.length, times.length)
  return [...new Set(found)]
}

test('days that the calendar has differently are told, and served as they are sent', () => {
  const days = ['23', '24', '25', '27', '30'].map((day) => `2026-11-${day}T14:30Z`)
  assert.deepEqual(differences(days, 'DAY_1'), [])
  // Thanksgiving is traded, and the day before it is not.
  const odd = ['23', '24', '26', '27', '28', '30'].map((day) => `2026-11-${day}T14:30Z`)
  assert.deepEqual(differences(odd, 'DAY_1'), [
    ...['XNYS 2026-11-25 missing session', 'XNYS 2026-11-26 unexpected session', 'XNYS 2026-11-28 unexpected session'],
  ])
  assert.deepEqual(differences(odd, 'DAY_1', { exchangeName: 'NSI' }), [])
  // A year that the calendar does not know.
  assert.deepEqual(differences(['1989-12-25T14:30Z', '1989-12-29T14:30Z'], 'DAY_1'), [])
})

test('minutes outside of the hours of their date are told, unless those hours are asked for', () => {
  const minutes = ['2026-11-27T14:30Z', '2026-11-27T17:59Z', '2026-11-30T20:59Z']
  assert.deepEqual(differences(minutes, 'MINUTE_1'), [])
  const odd = ['2026-11-26T15:00Z', '2026-11-27T14:30Z', '2026-11-27T18:30Z', '2026-11-30T20:59Z']
  assert.deepEqual(differences(odd, 'MINUTE_1'), [
    ...['XNYS 2026-11-26 unexpected session', 'XNYS 2026-11-27 outside of hours'],
  ])
  assert.deepEqual(differences(odd, 'MINUTE_1', { extendedHours: true }), [])
})

test('a date counts once, whichever symbol and request shows it', async () => {
  const registry = new Registry()
  const logged: unknown[] = []
  const counted = new CalendarDifferences({ info: (what: unknown) => void logged.push(what) }, registry)
  const calendar = { id: 'XNYS' } as never
  for (const symbol of ['A', 'B', 'A']) counted.count(calendar, 'unexpected session', at('2026-11-26'), symbol)
  counted.count(calendar, 'missing session', at('2026-11-26'), 'A')
  counted.count(calendar, 'unexpected session', at('2026-11-28'), 'A')
  const told = await registry.metrics()
  assert.match(told, /finstage_calendar_differences_total\{calendar="XNYS",kind="unexpected session"\} 2/)
  assert.match(told, /finstage_calendar_differences_total\{calendar="XNYS",kind="missing session"\} 1/)
  assert.equal(logged.length, 3)
})
