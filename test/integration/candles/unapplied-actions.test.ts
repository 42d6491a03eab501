import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApp } from '../../support/app.ts'
import { post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const daySeconds = 86_400
const at = (iso: string): number => Date.parse(iso) / 1000

/** Openings of New York, all in winter time, on Mondays to Fridays. */
function openings(from: string, to: string): number[] {
  const found: number[] = []
  for (let time = at(`${from}T14:30Z`); time <= at(`${to}T14:30Z`); time += daySeconds) {
    if (new Date(time * 1000).getUTCDay() % 6 !== 0) found.push(time)
  }
  return found
}

const row = (time: number, close: number) => ({
  ...{ time, open: close, high: close, low: close, close, adjclose: close, volume: 1000 },
})
const first = '2025-11-10'
const news = openings('2026-01-28', '2026-01-28')[0] ?? assert.fail()

const actions = {
  // 1 for 190: what cost 0.02 costs 3.80.
  SPLITS: {
    before: 0.02,
    after: 3.8,
    right: 3.8,
    events: { splits: { [news]: { date: news, numerator: 1, denominator: 190 } } },
  },
  SPLITS_AND_DIVIDENDS: {
    before: 40,
    after: 39,
    right: 39,
    events: { dividends: { [news]: { date: news, amount: 1 } } },
  },
}

for (const [adjustment, { before, after, right, events }] of Object.entries(actions)) {
  test(`${adjustment}: a split or dividend that Yahoo tells of and has not applied changes all days before it, stored or not`, async () => {
    await using database = await createTestDatabase()
    let nowMs = at('2026-01-26T22:00Z') * 1000
    const now = (): number => nowMs
    await using yahoo = await startTestYahoo({ now })
    const history = openings(first, '2026-01-27').map((time) => row(time, before))
    const meta = { firstTradeDate: history[0]?.time }
    yahoo.setChart(
      'AAPL',
      '1d',
      history.filter(({ time }) => time * 1000 < nowMs),
      meta,
    )
    await using app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
    const closes = async (from: string, to: string): Promise<number[]> => {
      const range = `from: "${from}T00:00:00Z", to: "${to}T00:00:00Z"`
      const query = `{ candles(symbol: "AAPL", adjustment: ${adjustment}, ${range}) { columns { close } } }`
      const { data } = await post<{ candles: { columns: { close: number[] } } }>(app.api, query)
      return data?.candles.columns.close ?? assert.fail()
    }
    assert.deepEqual(new Set(await closes('2026-01-01', '2026-02-01')), new Set([before]))

    nowMs = at('2026-01-28T16:00Z') * 1000
    const current = { ...meta, regularMarketTime: nowMs / 1000, regularMarketPrice: after }
    yahoo.setChart('AAPL', '1d', [...history, row(news, after)], current, events)
    assert.deepEqual(new Set(await closes('2026-01-01', '2026-02-01')), new Set([right]), 'what was stored')
    nowMs += 60 * daySeconds * 1000
    const older = await closes(first, '2026-01-01')
    assert.deepEqual([older.length, new Set(older)], [38, new Set([right])], 'an older page, months later')
  })
}
