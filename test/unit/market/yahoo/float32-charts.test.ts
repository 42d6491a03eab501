import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { toColumns } from '../../../../src/analysis/indicators/columns.ts'
import { adx } from '../../../../src/analysis/indicators/trend.ts'
import { mfi } from '../../../../src/analysis/indicators/volume.ts'
import type { Candle } from '../../../../src/domain/candle.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'

const folder = process.env.MARKET_DATA_DIR
const skip = folder === undefined ? 'MARKET_DATA_DIR is not set' : false

type Day = readonly [date: string, open: number, high: number, low: number, close: number, volume: number]

function daysOf(file: string): Day[] {
  const [, ...lines] = readFileSync(join(folder ?? '', file), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => {
    const [date = '', ...numbers] = line.split(',')
    return [date, ...numbers.map(Number)] as unknown as Day
  })
}

/** The days as Yahoo's chart sends them, with float32 prices, and as they are read from it. */
function chartOf(days: readonly Day[]): readonly Candle[] {
  const prices = (i: 1 | 2 | 3 | 4) => days.map((day) => Math.fround(day[i]))
  const quote = {
    open: prices(1),
    high: prices(2),
    low: prices(3),
    close: prices(4),
    volume: days.map((day) => day[5]),
  }
  const meta = { exchangeTimezoneName: 'America/New_York', instrumentType: 'EQUITY' }
  const timestamp = days.map(([date]) => Date.parse(`${date}T14:30:00Z`) / 1000)
  const body = { chart: { result: [{ meta, timestamp, indicators: { quote: [quote] } }] } }
  const query = { symbol: 'TEST', interval: 'DAY_1', extendedHours: false, from: 0, to: 1e10 } as const
  return readChart(body, query, Date.UTC(2026, 0, 1)).candles
}

test('MFI of SPY on 2017-05-16 is 59.98, as prices in cents give it', { skip }, () => {
  const days = daysOf('spy-daily-2017-2018.csv')
  const at = days.findIndex(([date]) => date === '2017-05-16')
  const of = (candles: readonly Candle[]) => finished(mfi(toColumns(candles), 14))[at]?.toFixed(2)
  assert.equal(of(chartOf(days)), '59.98')
  const sent = days.map(([date, open, high, low, close, volume]) => ({
    epoch: Date.parse(date) / 1000,
    open: Math.fround(open),
    high: Math.fround(high),
    low: Math.fround(low),
    close: Math.fround(close),
    volume,
    closed: true,
  }))
  assert.equal(of(sent), '55.82')
})

test('32 years of MSFT come out of a chart as they were, and ADX with them', { skip }, () => {
  const days = daysOf('msft-daily-1990-2022.csv')
  const candles = chartOf(days)
  const right = days.map(([date, open, high, low, close, volume]) => {
    return { epoch: Date.parse(date) / 1000, open, high, low, close, volume, closed: true }
  })
  assert.deepEqual(
    candles.map(({ epoch, open, high, low, close, volume, closed }) => ({
      epoch,
      open,
      high,
      low,
      close,
      volume,
      closed,
    })),
    right,
  )
  assert.deepEqual(finished(adx(toColumns(candles), 14)), finished(adx(toColumns(right), 14)))
})
