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
