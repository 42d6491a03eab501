import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { namedSignal } from '../../../src/analysis/signals.ts'
import type { CandleRequest, CandleSeries } from '../../../src/domain/candle.ts'
import { closedAt } from '../../../src/domain/sessions/closed-at.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import type { MarketSource } from '../../../src/market/source.ts'
import { readChart } from '../../../src/market/yahoo/chart.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { type Model, modelSource } from '../../support/candles/model-market.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const at = (iso: string): number => Date.parse(iso.length === 10 ? `${iso}T00:00Z` : iso) / 1000
const written = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

interface Charts {
  meta: object
  /** Start and close of each row. */
  rows: readonly (readonly [number, number])[]
}

/** A server that asks Yahoo for what is not stored. */
function serverAt(clock: { now: number }, charts: Charts, asked: () => void = () => {}): CandleService {
  const market: Model = {
    ...{ timezone: 'UTC', opens: 0, closes: 1, firstDay: 0, lastDay: 0, holidays: new Set(), halfDays: new Set() },
    ...{ splits: [], dividends: [], delaySeconds: 0, seed: 1 },
  }
  const source: MarketSource = {
    ...modelSource(market, () => clock.now),
    async candles(query) {
      asked()
      const rows = charts.rows.filter(([time]) => time >= query.from - daySeconds && time <= query.to + daySeconds)
      const closes = rows.map(([, close]) => close)
      const quote = { open: closes, high: closes, low: closes, close: closes, volume: closes.map(() => 1000) }
      const indicators = { quote: [quote], adjclose: [{ adjclose: closes }] }
      const chart = { result: [{ meta: charts.meta, timestamp: rows.map(([time]) => time), indicators }] }
      return readChart({ chart }, query, clock.now * 1000)
    },
  }
  return new CandleService({ source, store: new CandleStore(pool), now: () => clock.now * 1000 })
}

let symbols = 0

async function ask(service: CandleService, request: Partial<CandleRequest>): Promise<CandleSeries> {
  const [answer] = await service.candles([
    {
      ...{ symbol: `K${symbols++}`, interval: 'DAY_1', from: null, to: null, last: null, earlier: 0 },
      ...{ adjustment: 'SPLITS', extendedHours: false, ...request },
    },
  ])
  if (answer === undefined || answer instanceof Error) throw answer
  return answer
}

/** When what the last candle shows is known, by the rules of signals. */
const knownAt = (series: CandleSeries, epoch: number): string => {
  const found = {
    kind: 'VOLUME_SPIKE',
    direction: 'NEUTRAL',
    index: 0,
    price: 1,
    indicatorValue: 1,
    strength: 1,
  } as const
  return written(namedSignal(found, epoch, series).knownAtMs / 1000)
}

/** A row for each date at a time of day (UTC). */
const daily = (from: string, to: string, time: string, isOpen: (date: number) => boolean): [number, number][] => {
  const rows: [number, number][] = []
  for (let date = at(from); date <= at(to); date += daySeconds) {
    if (isOpen(date)) rows.push([date + at(`1970-01-01T${time}Z`), 100 + (rows.length % 7)])
  }
  return rows
}
const weekday = (date: number): number => new Date(date * 1000).getUTCDay()
const isWeekday = (date: number): boolean => weekday(date) % 6 !== 0

const newYorkHalfDay = {
  exchangeTimezoneName: 'America/New_York',
  firstTradeDate: at('2026-01-02T14:30Z'),
  currentTradingPeriod: { regular: { start: at('2026-11-27T14:30Z'), end: at('2026-11-27T18:00Z') } },
}
const newYorkRows = daily('2026-11-02', '2026-11-27', '14:30', (date) => isWeekday(date) && date !== at('2026-11-26'))

test('a symbol that is first seen on a half day tells of no day before the bell of that day', async () => {
  const meta = { ...newYorkHalfDay, exchangeName: 'NMS' }
  const series = await ask(serverAt({ now: at('2026-11-27T19:00Z') }, { meta, rows: newYorkRows }), { last: 50 })
  assert.equal(series.nodes.length, 19)
  for (const { epoch } of series.nodes.slice(0, -1))
    assert.equal(knownAt(series, epoch), `${written(epoch).slice(0, 10)}T21:00`)
  assert.equal(knownAt(series, at('2026-11-27')), '2026-11-27T18:00')
})

test('without a calendar such a symbol tells of the days before when these are over, and at the usual bell once that was seen', async () => {
  const clock = { now: at('2026-11-27T19:00Z') }
  const charts: Charts = { meta: newYorkHalfDay, rows: newYorkRows }
  const service = serverAt(clock, charts)
  const request = { symbol: 'HALF', last: 50 }
  const series = await ask(service, request)
  assert.equal(knownAt(series, at('2026-11-25')), '2026-11-26T05:00')
  assert.equal(knownAt(series, at('2026-11-27')), '2026-11-27T18:00')
  clock.now = at('2026-11-30T22:00Z')
  const period = { regular: { start: at('2026-11-30T14:30Z'), end: at('2026-11-30T21:00Z') } }
  charts.meta = { ...newYorkHalfDay, currentTradingPeriod: period }
  charts.rows = [...newYorkRows, [at('2026-11-30T14:30Z'), 101]]
  assert.equal(knownAt(await ask(service, request), at('2026-11-25')), '2026-11-25T21:00')
})

const kuwait = {
  exchangeTimezoneName: 'Asia/Kuwait',
  exchangeName: 'KUW',
  firstTradeDate: at('2026-01-04T06:00Z'),
  currentTradingPeriod: { regular: { start: at('2026-11-29T06:00Z'), end: at('2026-11-29T09:40Z') } },
}

test('a week of Sunday to Thursday is one candle, whatever range is asked, and is known with its Thursday', async () => {
  const rows = daily('2026-04-26', '2026-11-29', '06:00', (date) => weekday(date) < 5)
  const clock = { now: at('2026-11-29T12:00Z') }
  const service = serverAt(clock, { meta: kuwait, rows })
  for (const request of [
    { from: at('2026-11-01') },
    { from: at('2026-11-17') },
    { from: at('2026-11-13'), to: at('2026-11-18') },
    { last: 3 },
  ]) {
    const weeks = await ask(service, { symbol: 'KFH', interval: 'WEEK_1', ...request })
    for (const { epoch } of weeks.nodes) assert.equal(weekday(epoch), 0)
  }
  const weeks = await ask(service, { symbol: 'KFH', interval: 'WEEK_1', last: 3 })
  const week = weeks.nodes[1] ?? assert.fail()
  assert.deepEqual(
    weeks.nodes.map(({ epoch, volume, closed }) => [written(epoch).slice(0, 10), volume, closed]),
    [
      ['2026-11-15', 5000, true],
      ['2026-11-22', 5000, true],
      ['2026-11-29', 1000, false],
    ],
  )
  assert.ok(knownAt(weeks, at('2026-11-15')) >= '2026-11-19T09:40')
  assert.ok(knownAt(weeks, week.epoch) >= '2026-11-26T09:40')
  const months = await ask(service, { symbol: 'KFH', interval: 'MONTH_1', from: at('2026-05-01') })
  assert.ok(knownAt(months, at('2026-05-01')) >= '2026-05-31T09:40')
})

test('a single Sunday closes the week and the month before it, and neither is known sooner', async () => {
  const isOpen = (date: number) => isWeekday(date) || date === at('2026-05-31') || date === at('2026-02-01')
  const meta = {
    exchangeTimezoneName: 'Asia/Kolkata',
    exchangeName: 'NSI',
    firstTradeDate: at('2026-01-01T03:45Z'),
    currentTradingPeriod: { regular: { start: at('2026-06-05T03:45Z'), end: at('2026-06-05T10:00Z') } },
  }
  const rows = daily('2026-01-01', '2026-06-05', '03:45', isOpen)
  const service = serverAt({ now: at('2026-06-06T12:00Z') }, { meta, rows })
  const weeks = await ask(service, { symbol: 'TCS', interval: 'WEEK_1', from: at('2026-01-19'), to: at('2026-02-09') })
  assert.deepEqual(
    weeks.nodes.map(({ epoch, volume }) => [written(epoch).slice(0, 10), volume]),
    [
      ['2026-01-19', 5000],
      ['2026-01-26', 6000],
      ['2026-02-02', 5000],
    ],
  )
  assert.ok(knownAt(weeks, at('2026-01-26')) >= '2026-02-01T10:00')
  assert.ok(knownAt(weeks, at('2026-01-19')) < '2026-01-24T00:00')
  const months = await ask(service, { symbol: 'TCS', interval: 'MONTH_1', from: at('2026-05-01') })
  assert.ok(knownAt(months, at('2026-05-01')) >= '2026-05-31T10:00')
})

test('a quarter closes with the Sunday that is its last session, expected or not, and is not known sooner', async () => {
  const period = (opens: string, closes: string) => ({ regular: { start: at(opens), end: at(closes) } })
  const riyadh = {
    ...{ exchangeTimezoneName: 'Asia/Riyadh', exchangeName: 'SAU', firstTradeDate: at('2024-01-01T07:00Z') },
    currentTradingPeriod: period('2024-07-04T07:00Z', '2024-07-04T12:00Z'),
  }
  const mumbai = {
    ...{ exchangeTimezoneName: 'Asia/Kolkata', exchangeName: 'NSI', firstTradeDate: at('2024-01-01T03:45Z') },
    currentTradingPeriod: period('2024-07-04T03:45Z', '2024-07-04T10:00Z'),
  }
  for (const [meta, time, isOpen, knownOn] of [
    [riyadh, '07:00', (date: number) => weekday(date) < 5, '2024-06-30T12:00'],
    [mumbai, '03:45', (date: number) => isWeekday(date) || date === at('2024-06-30'), '2024-06-30T10:00'],
  ] as const) {
    const rows = daily('2024-01-01', '2024-07-04', time, isOpen)
    const service = serverAt({ now: at('2024-07-04T13:00Z') }, { meta, rows })
    const quarters = await ask(service, { interval: 'MONTH_3', from: at('2024-01-01') })
    const daysOf = (from: string, to: string) => rows.filter(([row]) => row >= at(from) && row < at(to)).length
    assert.deepEqual(
      quarters.nodes.map(({ epoch, volume, closed }) => [written(epoch).slice(0, 10), volume, closed]),
      [
        ['2024-01-01', daysOf('2024-01-01', '2024-04-01') * 1000, true],
        ['2024-04-01', daysOf('2024-04-01', '2024-07-01') * 1000, true],
        ['2024-07-01', daysOf('2024-07-01', '2024-07-05') * 1000, false],
      ],
    )
    assert.ok(knownAt(quarters, at('2024-04-01')) >= knownOn)
    assert.ok(knownAt(quarters, at('2024-04-01')) < '2024-07-01T00:00')
  }
})

/** A row for each time (UTC) of a date. */
const hourly = (date: string, ...times: readonly string[]): [number, number][] =>
  times.map((time, i) => [at(`${date}T${time}Z`), 100 + i])
const volumes = ({ nodes }: CandleSeries) =>
  nodes.map(({ epoch, volume, closed }) => [written(epoch).slice(5), volume, closed])

test('four hours of a symbol that is first seen on a half day are those of every date, closed with their last hour', async () => {
  const rows = [
    ...hourly('2026-11-25', '14:30', '15:30', '16:30', '17:30', '18:30', '19:30', '20:30'),
    ...hourly('2026-11-27', '14:30', '15:30', '16:30', '17:30'),
  ]
  for (const exchangeName of ['NMS', undefined]) {
    const clock = { now: at('2026-11-27T18:05Z') }
    const service = serverAt(clock, { meta: { ...newYorkHalfDay, exchangeName }, rows })
    const request = { symbol: `HOURS ${exchangeName}`, interval: 'HOUR_4', from: at('2026-11-25') } as const
    const before = [
      ['11-25T14:30', 4000, true],
      ['11-25T18:30', 3000, true],
    ]
    const open = await ask(service, request)
    assert.deepEqual(volumes(open), [...before, ['11-27T14:30', 4000, false]])
    assert.equal(knownAt(open, at('2026-11-27T14:30Z')), '2026-11-27T18:00')
    // Where no calendar says it, what was seen of a half day says nothing of the date before.
    const known = exchangeName ? '2026-11-25T21:00' : '2026-11-25T22:30'
    assert.equal(knownAt(open, at('2026-11-25T18:30Z')), known)
    clock.now = at('2026-11-27T18:31Z')
    assert.deepEqual(volumes(await ask(service, request)), [...before, ['11-27T14:30', 4000, true]])
  }
})

test('what is traded after lunch is of the afternoon, even if the source counts its hours through lunch', async () => {
  const meta = {
    ...{ exchangeTimezoneName: 'Asia/Hong_Kong', exchangeName: 'HKG', firstTradeDate: at('2026-01-02T01:30Z') },
    currentTradingPeriod: { regular: { start: at('2026-11-25T01:30Z'), end: at('2026-11-25T08:00Z') } },
  }
  for (const times of [
    ['01:30', '02:30', '03:30', '05:00', '06:00', '07:00'],
    ['01:30', '02:30', '03:30', '04:30', '05:30', '06:30', '07:30'],
  ]) {
    const service = serverAt({ now: at('2026-11-25T10:00Z') }, { meta, rows: hourly('2026-11-25', ...times) })
    const found = volumes(await ask(service, { interval: 'HOUR_4', from: at('2026-11-25') }))
    assert.deepEqual(found, [
      ['11-25T01:30', 3000, true],
      ['11-25T05:00', (times.length - 3) * 1000, true],
    ])
  }
})

test('the calendar of a stored series is known to a server that does not ask Yahoo', async () => {
  const meta = { ...newYorkHalfDay, exchangeName: 'NMS' }
  const clock = { now: at('2026-11-27T19:00Z') }
  await ask(serverAt(clock, { meta, rows: newYorkRows }), { symbol: 'KEPT', last: 5 })
  const refusing = serverAt(clock, {
    get meta(): object {
      throw new Error('asked')
    },
    rows: newYorkRows,
  })
  const days = await ask(refusing, { symbol: 'KEPT', from: at('2026-11-23'), to: at('2026-11-26') })
  assert.equal(written(closedAt(at('2026-11-25'), 'DAY_1', days.sessions)), '2026-11-25T21:00')
})

test('on the morning after, an open end is fetched again as often as its market is open, not as it was last seen closed', async () => {
  const meta = {
    ...{ exchangeTimezoneName: 'America/New_York', exchangeName: 'NMS', firstTradeDate: at('2026-01-02T14:30Z') },
    currentTradingPeriod: { regular: { start: at('2026-11-24T14:30Z'), end: at('2026-11-24T21:00Z') } },
  }
  for (const [asks, isOpen] of [
    [['2026-11-25T14:29:50Z', '2026-11-25T14:30:10Z'], true],
    // Thanksgiving.
    [['2026-11-26T14:29:50Z', '2026-11-26T14:30:10Z'], false],
  ] as const) {
    let calls = 0
    const clock = { now: at(asks[0]) }
    const service = serverAt(clock, { meta, rows: newYorkRows }, () => calls++)
    const symbol = `OPEN ${isOpen}`
    await ask(service, { symbol, last: 5 })
    const first = calls
    clock.now = at(asks[1])
    await ask(service, { symbol, last: 5 })
    assert.equal(calls > first, isOpen, asks[0])
  }
})
