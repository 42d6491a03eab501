import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceInterval } from '../../../../src/domain/time/interval.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const at = (iso: string): number => Date.parse(iso.length === 10 ? `${iso}T00:00Z` : iso) / 1000
const written = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

/** Time, price (or four), volume. */
type Row = readonly [string, number | readonly [number, number, number, number], number]

interface Asked {
  readonly interval: SourceInterval
  readonly now: string
  readonly meta: object
  readonly extendedHours?: boolean
  readonly from?: string
}

function read(rows: readonly Row[], { interval, now, meta, extendedHours = false, from = '1970-01-01' }: Asked) {
  const sent = rows.filter(([time]) => at(time) >= at(from))
  const column = (i: number) => sent.map(([, price]) => (typeof price === 'number' ? price : price[i]))
  const volume = sent.map(([, , volume]) => volume)
  const quote = { open: column(0), high: column(1), low: column(2), close: column(3), volume }
  const result = { meta, timestamp: sent.map(([time]) => at(time)), indicators: { quote: [quote] } }
  const query = { symbol: 'TEST', interval, extendedHours, from: at(from), to: 1e10 }
  return readChart({ chart: { result: [result] } }, query, at(now) * 1000).candles.map(
    ({ epoch, close, volume }) => [written(epoch), close, volume] as const,
  )
}

const period = (start: string, end: string) => ({ start: at(start), end: at(end) })
const onExchange = (exchangeName: string, exchangeTimezoneName: string) => ({ exchangeName, exchangeTimezoneName })

const riyadh = {
  ...onExchange('SAU', 'Asia/Riyadh'),
  regularMarketTime: at('2026-11-24T12:00Z'),
  currentTradingPeriod: { regular: period('2026-11-24T07:00Z', '2026-11-24T12:00Z') },
}
/** The day after, as a server sees it that has nothing of the day before. */
const riyadhNextDay = {
  ...riyadh,
  regularMarketTime: at('2026-11-25T08:59:40Z'),
  currentTradingPeriod: { regular: period('2026-11-25T07:00Z', '2026-11-25T12:00Z') },
}
const minutes: Row[] = [
  ['2026-11-24T11:58Z', 25, 10],
  ['2026-11-24T11:59Z', [25, 25.05, 25, 25.05], 20],
  ['2026-11-24T12:00Z', 25.2, 0],
]
const nextMinutes: Row[] = [
  ['2026-11-25T07:00Z', 25.3, 10],
  ['2026-11-25T08:59:40Z', 25.35, 0],
]

test('the price after the bell is the close of the last candle, asked on that day, the next, or for that time only', () => {
  const expected = [
    ['2026-11-24T11:58', 25, 10],
    ['2026-11-24T11:59', 25.2, 20],
  ]
  const interval = 'MINUTE_1'
  assert.deepEqual(read(minutes, { interval, now: '2026-11-24T13:00Z', meta: riyadh }), expected)
  const nextDay = { interval, now: '2026-11-25T09:00Z', meta: riyadhNextDay } as const
  assert.deepEqual(read(minutes, nextDay), expected)
  assert.deepEqual(read([...minutes, ...nextMinutes], nextDay).slice(0, 2), expected)
  assert.deepEqual(read([...minutes, ...nextMinutes], nextDay).length, 4)
  // Without the calendar, as on the day for which Yahoo states the session.
  const unlisted = { ...nextDay, meta: { ...riyadhNextDay, exchangeName: 'ZZZ' } }
  assert.deepEqual(read([...minutes, ...nextMinutes], unlisted).slice(0, 2), expected)
  // A range that begins with the bell has no last candle to give the price to, and no candle after it either.
  assert.deepEqual(read(minutes, { ...nextDay, from: '2026-11-24T12:00Z' }), [])
})

test('an hour takes the price after the bell as a minute does', () => {
  const hours: Row[] = [
    ['2026-11-24T10:00Z', 24, 100],
    ['2026-11-24T11:00Z', [24, 25.05, 24, 25.05], 200],
    ['2026-11-24T12:00Z', 25.2, 0],
  ]
  const expected = [
    ['2026-11-24T10:00', 24, 100],
    ['2026-11-24T11:00', 25.2, 200],
  ]
  assert.deepEqual(read(hours, { interval: 'HOUR_1', now: '2026-11-24T13:00Z', meta: riyadh }), expected)
  assert.deepEqual(read(hours, { interval: 'HOUR_1', now: '2026-11-26T06:00Z', meta: riyadhNextDay }), expected)
})

const newYork = (date: string, closes: string) => ({
  ...onExchange('NMS', 'America/New_York'),
  regularMarketTime: at(`${date}T${closes}Z`),
  currentTradingPeriod: { regular: period(`${date}T14:30Z`, `${date}T${closes}Z`) },
})

test('on a half day the bell is that of the date, on the day itself and days after', () => {
  const rows: Row[] = [
    ['2026-11-27T16:30Z', 50, 100],
    ['2026-11-27T17:30Z', 51, 200],
    ['2026-11-27T18:00Z', 51.5, 0],
  ]
  const expected = [
    ['2026-11-27T16:30', 50, 100],
    ['2026-11-27T17:30', 51.5, 200],
  ]
  const interval = 'HOUR_1'
  assert.deepEqual(read(rows, { interval, now: '2026-11-27T19:00Z', meta: newYork('2026-11-27', '18:00') }), expected)
  assert.deepEqual(read(rows, { interval, now: '2026-11-30T22:00Z', meta: newYork('2026-11-30', '21:00') }), expected)
})

test('seen from a half day, quiet rows of a whole day stay what they are', () => {
  const rows: Row[] = [
    ['2026-11-25T17:58Z', 50, 100],
    ['2026-11-25T18:30Z', 51, 0],
    ['2026-11-25T19:30Z', 52, 0],
    ['2026-11-25T20:30Z', 53, 9],
  ]
  const asked = { interval: 'MINUTE_1', now: '2026-11-27T19:00Z' } as const
  for (const exchangeName of ['NMS', 'ZZZ']) {
    const meta = { ...newYork('2026-11-27', '18:00'), exchangeName }
    assert.deepEqual(read(rows, { ...asked, meta }).length, 4, exchangeName)
  }
})

test('trades after the bell are candles, of the closing auction or of the hours after it', () => {
  const auction: Row[] = [...minutes.slice(0, 2), ['2026-11-24T12:00Z', 25.2, 900]]
  for (const [now, meta] of [
    ['2026-11-24T13:00Z', riyadh],
    ['2026-11-25T09:00Z', riyadhNextDay],
  ] as const) {
    const candles = read(auction, { interval: 'MINUTE_1', now, meta })
    assert.deepEqual(candles.at(-1), ['2026-11-24T12:00', 25.2, 900])
  }
  const { currentTradingPeriod, ...meta } = newYork('2026-11-25', '21:00')
  const after = period('2026-11-25T21:00Z', '2026-11-26T01:00Z')
  const before = period('2026-11-25T09:00Z', '2026-11-25T14:30Z')
  const candles = read(
    [
      ['2026-11-24T20:59Z', 50, 100],
      ['2026-11-24T21:00Z', 51, 0],
      ['2026-11-25T14:30Z', 51, 10],
    ],
    {
      ...{ interval: 'MINUTE_1', now: '2026-11-25T16:00Z', extendedHours: true },
      meta: { ...meta, currentTradingPeriod: { ...currentTradingPeriod, pre: before, post: after } },
    },
  )
  assert.deepEqual(
    candles.map(([time]) => time),
    ['2026-11-24T20:59', '2026-11-24T21:00', '2026-11-25T14:30'],
  )
})

const datesOf = (rows: readonly Row[], now: string, meta: object): string[] =>
  read(rows, { interval: 'DAY_1', now, meta }).map(([time]) => time.slice(0, 10))

test('days stamped with 22:00 or 23:00 of the evening before are of the date that follows', () => {
  const saoPaulo = {
    ...onExchange('SAO', 'America/Sao_Paulo'),
    regularMarketTime: at('2022-01-07T20:07:00Z'),
    currentTradingPeriod: { regular: period('2022-01-07T13:00Z', '2022-01-07T20:00Z') },
  }
  const week = ['2022-01-03', '2022-01-04', '2022-01-05', '2022-01-06', '2022-01-07']
  for (const hour of ['01:00', '02:00', '03:00', '13:00']) {
    const rows = week.map((date): Row => [`${date}T${hour}Z`, 10, 5])
    assert.deepEqual(datesOf(rows, '2022-01-08T12:00Z', saoPaulo), week, hour)
    const told = { ...saoPaulo, regularMarketTime: at(`2022-01-07T${hour}Z`) }
    assert.deepEqual(datesOf(rows, '2022-01-08T12:00Z', told), week, hour)
  }
})

test('the current price at a full hour of the evening is of its own date', () => {
  const bitcoin = {
    ...onExchange('CCC', 'UTC'),
    regularMarketTime: at('2026-11-24T23:00Z'),
    currentTradingPeriod: { regular: period('2026-11-24T00:00Z', '2026-11-24T23:59Z') },
  }
  const rows: Row[] = [
    ['2026-11-23T00:00Z', 10, 5],
    ['2026-11-24T23:00Z', 11, 6],
  ]
  assert.deepEqual(datesOf(rows, '2026-11-24T23:00:05Z', bitcoin), ['2026-11-23', '2026-11-24'])
})

test('the price of a future on a Sunday evening is of Monday, with which its session begins', () => {
  const gold = {
    ...onExchange('CMX', 'America/New_York'),
    instrumentType: 'FUTURE',
    regularMarketTime: at('2026-11-23T01:30:11Z'),
    currentTradingPeriod: { regular: period('2026-11-22T05:00Z', '2026-11-23T04:59Z') },
  }
  const rows: Row[] = [
    ['2026-11-20T05:00Z', 10, 5],
    ['2026-11-23T01:30:11Z', 11, 6],
  ]
  assert.deepEqual(datesOf(rows, '2026-11-23T01:30:20Z', gold), ['2026-11-20', '2026-11-23'])
})
