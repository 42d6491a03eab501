import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import { tradingDate } from '../../../../src/domain/time/trading-date.ts'
import { daySeconds } from '../../../../src/domain/time/units.ts'

const folder = process.env.YAHOO_RECORDINGS_DIR
const skip = folder === undefined ? 'YAHOO_RECORDINGS_DIR is not set' : false

interface Chart {
  readonly file: string
  readonly meta: {
    readonly symbol: string
    readonly exchangeName: string
    readonly exchangeTimezoneName: string
    readonly dataGranularity: string
    readonly currentTradingPeriod: { readonly regular: { readonly start: number; readonly end: number } }
  }
  readonly timestamp?: readonly number[]
}

function charts(): Chart[] {
  const files = readdirSync(folder ?? '').filter((file) => /chart-.*(?<!fake)\.json$/.test(file))
  return files.flatMap((file) => {
    const { body } = JSON.parse(readFileSync(join(folder ?? '', file), 'utf8'))
    const results: Omit<Chart, 'file'>[] = body?.chart?.result ?? []
    return results.map(({ meta, timestamp = [] }) => ({ file, meta, timestamp }))
  })
}

test('each exchange of a recorded chart has a calendar, in the time zone that Yahoo names', { skip }, () => {
  const zones = new Map(charts().map(({ meta }) => [meta.exchangeName, meta.exchangeTimezoneName]))
  assert.ok(zones.size >= 5, [...zones.keys()].join())
  for (const [code, timezone] of zones) {
    const calendar = calendarOf(code) ?? assert.fail(`there is no calendar of ${code}`)
    // Yahoo dates currencies by London and metals by New York; their sessions begin elsewhere.
    if (code !== 'CCY' && code !== 'CMX') assert.equal(calendar.timezone, timezone, code)
  }
})

test('the recorded daily rows of shares stand on the sessions of their exchange, and on no other date', {
  skip,
}, () => {
  let compared = 0
  for (const { file, meta, timestamp = [] } of charts()) {
    const calendar = calendarOf(meta.exchangeName)
    if (meta.dataGranularity !== '1d' || calendar?.id !== 'XNYS') continue
    const dates = [...new Set(timestamp.map((epoch) => tradingDate(epoch, calendar.timezone)))]
    const [first, last] = [dates[0], dates.at(-1)]
    if (first === undefined || last === undefined) continue
    const sessions = calendar.sessions(first, last + daySeconds) ?? assert.fail(file)
    assert.deepEqual(
      sessions.map(({ date }) => date),
      dates,
      file,
    )
    // Yahoo starts a day's row at the opening bell; the row of the current price stands later.
    for (const { opens } of sessions.slice(0, -1)) assert.ok(timestamp.includes(opens), file)
    compared += dates.length
  }
  assert.ok(compared > 500, `${compared} dates`)
})

test("Yahoo's current trading period of shares is a session of the calendar", { skip }, () => {
  const ofShares = charts().filter(({ meta }) => calendarOf(meta.exchangeName)?.id === 'XNYS')
  assert.ok(ofShares.length > 0)
  for (const { file, meta } of ofShares) {
    const { start, end } = meta.currentTradingPeriod.regular
    const session = calendarOf(meta.exchangeName)?.sessionAt(start)
    assert.deepEqual([session?.opens, session?.closes], [start, end], file)
  }
})
