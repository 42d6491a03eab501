import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Columns } from '../../../../src/analysis/indicators/columns.ts'
import type { IndicatorInput, VwapAnchor } from '../../../../src/analysis/indicators/indicator.ts'
import { anchorPlaces } from '../../../../src/analysis/indicators/vwap-anchor.ts'
import { finished } from '../../../../src/domain/steps.ts'
import type { Interval } from '../../../../src/domain/time/interval.ts'

const at = (iso: string): number => Date.parse(iso.length === 10 ? `${iso}T00:00Z` : iso) / 1000

/** Hours, or days, of all times of a span that are traded, and the starts of those at which a VWAP starts anew. */
function anchors(
  [from, to]: readonly [string, string],
  anchor: VwapAnchor,
  more: Pick<IndicatorInput, 'timezone' | 'exchange'> & { interval?: Interval },
  isTraded: (epoch: number) => boolean = () => true,
): string[] {
  const step = more.interval === 'DAY_1' ? 86_400 : 3600
  const epochs: number[] = []
  for (let epoch = at(from); epoch < at(to); epoch += step) if (isTraded(epoch)) epochs.push(epoch)
  const column = Float64Array.from(epochs, () => 1)
  const candles: Columns = {
    ...{ open: column, high: column, low: column, close: column, volume: column },
    epoch: Float64Array.from(epochs),
  }
  const input: IndicatorInput = { candles, first: 0, isWhole: false, interval: 'HOUR_1', ...more }
  return [...finished(anchorPlaces(input, anchor))].map((place) =>
    new Date((epochs[place] ?? 0) * 1000).toISOString().slice(0, 13),
  )
}

const gold = { timezone: 'America/New_York', exchange: 'CMX' }
/** From Sunday 18:00 to Friday 17:00 in New York, with a pause of an hour; in winter. */
const isTraded = (epoch: number): boolean => {
  const local = new Date((epoch - 5 * 3600) * 1000)
  const [weekday, hour] = [local.getUTCDay(), local.getUTCHours()]
  return hour !== 17 && weekday !== 6 && (weekday !== 0 || hour >= 18) && (weekday !== 5 || hour < 17)
}

test('where sessions begin the evening before, a VWAP of the session starts anew there and not at midnight', () => {
  assert.deepEqual(anchors(['2026-11-16T12:00Z', '2026-11-24T12:00Z'], 'SESSION', gold, isTraded), [
    ...['2026-11-16T23', '2026-11-17T23', '2026-11-18T23', '2026-11-19T23'],
    // Sunday evening begins Monday's session.
    ...['2026-11-22T23', '2026-11-23T23'],
  ])
})

test('a VWAP of the week or month starts anew with the first session of that week or month', () => {
  const span = ['2026-11-11T12:00Z', '2026-12-08T12:00Z'] as const
  assert.deepEqual(anchors(span, 'WEEK', gold, isTraded), [
    ...['2026-11-15T23', '2026-11-22T23', '2026-11-29T23', '2026-12-06T23'],
  ])
  assert.deepEqual(anchors(span, 'MONTH', gold, isTraded), ['2026-11-30T23'])
})

test('a VWAP of the week follows the exchange: Sunday in Riyadh and Kuwait, Monday where a Sunday is an exception', () => {
  const days = ['2026-11-11', '2026-12-01'] as const
  const ofDays = (timezone: string, exchange: string | null) =>
    anchors(days, 'WEEK', { timezone, exchange, interval: 'DAY_1' }).map((time) => time.slice(0, 10))
  const sundays = ['2026-11-15', '2026-11-22', '2026-11-29']
  assert.deepEqual(ofDays('Asia/Riyadh', 'SAU'), sundays)
  assert.deepEqual(ofDays('Asia/Kuwait', null), sundays)
  assert.deepEqual(ofDays('Asia/Kolkata', 'NSI'), ['2026-11-16', '2026-11-23', '2026-11-30'])
})

test('where sessions begin and end on their date, hours before and after them are of it', () => {
  const newYork = { timezone: 'America/New_York', exchange: 'NMS' }
  assert.deepEqual(anchors(['2026-11-16T12:00Z', '2026-11-18T12:00Z'], 'SESSION', newYork), [
    '2026-11-17T05',
    '2026-11-18T05',
  ])
})
