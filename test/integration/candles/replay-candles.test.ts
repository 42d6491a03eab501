import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type Adjustment,
  adjustments,
  assertCandles,
  type Candle,
  candlesOf,
  dividendsOf,
  iso,
  type Series,
  seriesFields,
  spanOf,
  splitsOf,
  tradedBefore,
  variablesOf,
} from '../../support/candles/recorded-candles.ts'
import {
  recordedCharts,
  recordedDays,
  recordings,
  skipWithoutRecordings as skip,
  startReplayApp,
} from '../../support/replay-app.ts'
import { chartOf, isChart, isFake, symbolOf } from '../../support/yahoo/test-yahoo-replay.ts'

const daySeconds = 86_400
type AllSeries = Readonly<Record<Adjustment, Series | null>>

const query = (asked: readonly Adjustment[]) => `
  query ($symbol: Symbol!, $interval: Interval! = DAY_1, $from: DateTime, $to: DateTime, $last: Int) {
    ${asked.map((adjustment) => `${adjustment}: candles(symbol: $symbol, interval: $interval, from: $from, to: $to, last: $last, adjustment: ${adjustment}) { ...Fields }`)}
  }
  fragment Fields on CandleSeries { ${seriesFields} }`
const inAllAdjustments = query(adjustments)

test('every recorded chart comes out of GraphQL in all adjustments, to the last bit where Yahoo names the number, and a second time without asking it', {
  skip,
}, async (t: TestContext) => {
  assert.ok(recordedCharts.length > 0)
  for (const recording of recordedCharts) {
    await t.test(recording.file, async () => {
      // Minutes are adjusted by what happened to the days.
      const isDay = recordedDays.includes(recording)
      await using app = await startReplayApp(recording, isDay ? { only: recording.file } : {})
      const variables = variablesOf(recording)
      const first = await app.ask<AllSeries>(inAllAdjustments, variables)
      assert.equal(first.errors, undefined)
      for (const adjustment of adjustments) {
        const series = first.data?.[adjustment]
        assertCandles(series, candlesOf(recording, adjustment), adjustment)
        assert.deepEqual(
          { ...series, nodes: [], columns: [] },
          {
            symbol: variables.symbol,
            interval: variables.interval,
            adjustment,
            source: 'YAHOO',
            stale: false,
            excluded: 0,
            receivedAt: new Date(recording.recordedAt).toISOString(),
            hasEarlier: tradedBefore(recording),
            nodes: [],
            columns: [],
          },
        )
      }

      const asked = app.yahoo.requestsTo('chart').length
      assert.ok(asked > 0)
      assert.deepEqual(await app.ask(inAllAdjustments, variables), first)
      assert.equal(app.yahoo.requestsTo('chart').length, asked)
      await app.restart()
      // To know all splits since, a process has to look once itself.
      const fromStore = adjustments.filter((adjustment) => adjustment !== 'NONE')
      const again = await app.ask<AllSeries>(query(fromStore), variables)
      assert.equal(again.errors, undefined)
      for (const adjustment of fromStore) assert.deepEqual(again.data?.[adjustment], first.data?.[adjustment])
      assert.equal(app.yahoo.requestsTo('chart').length, asked)
    })
  }
})

test('a part of a recorded chart is what `from`, `to` and `last` leave of it, and says whether there is more before', {
  skip,
}, async (t: TestContext) => {
  const files = recordedDays.filter((recording) => (chartOf(recording).timestamp?.length ?? 0) > 2)
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      const symbol = symbolOf(recording)
      const days = candlesOf(recording, 'SPLITS')
      const [first, second, last] = [days[0]?.epoch ?? 0, days[1]?.epoch ?? 0, days.at(-1)?.epoch ?? 0]
      const parts: [Record<string, unknown>, readonly Candle[], boolean | 'anything'][] = [
        [{ from: iso(second), to: iso(last) }, days.slice(1, -1), true],
        [{ from: iso(first + 1), to: iso(last + 1) }, days.slice(1), true],
        [{ from: iso(first), to: iso(last + 1) }, days, tradedBefore(recording)],
        [{ from: iso(first), last: 1 }, days.slice(-1), true],
        [{ to: iso(last), last: 2 }, days.slice(-3, -1), days.length > 3 || tradedBefore(recording)],
        [{ to: iso(last + 1), last: 2 }, days.slice(-2), true],
        [{ to: iso(last + 1), last: days.length }, days, tradedBefore(recording)],
        [{ to: iso(last + 1) }, days.slice(-500), days.length > 500 || 'anything'],
        // Looked for as far back as anything was ever traded.
        [{ to: iso(last + 1), last: 1000 }, days.slice(-1000), days.length > 1000],
      ]
      await using app = await startReplayApp(recording, { only: recording.file })
      for (const [variables, expected, hasEarlier] of parts) {
        const { data, errors } = await app.ask<AllSeries>(query(['SPLITS']), { symbol, ...variables })
        assert.equal(errors, undefined)
        assertCandles(data?.SPLITS, expected, 'SPLITS')
        if (hasEarlier !== 'anything') assert.equal(data?.SPLITS?.hasEarlier, hasEarlier, JSON.stringify(variables))
      }
    })
  }
})

const wholesOf: Readonly<Record<'WEEK_1' | 'MONTH_1' | 'MONTH_3', (day: number) => number>> = {
  WEEK_1(day) {
    let monday = day
    while (new Date(monday * 1000).getUTCDay() !== 1) monday -= daySeconds
    return monday
  },
  MONTH_1: (day) => Date.parse(`${iso(day).slice(0, 7)}-01T00:00:00Z`) / 1000,
  MONTH_3(day) {
    let month = wholesOf.MONTH_1(day)
    while (!['01', '04', '07', '10'].includes(iso(month).slice(5, 7))) month = wholesOf.MONTH_1(month - 1)
    return month
  },
}

function composed(days: readonly Candle[], startOf: (day: number) => number): Candle[] {
  const groups = [...Map.groupBy(days, ({ epoch }) => startOf(epoch))]
  return groups.map(([epoch, parts]) => ({
    epoch,
    open: parts[0]?.open ?? Number.NaN,
    high: Math.max(...parts.map(({ high }) => high)),
    low: Math.min(...parts.map(({ low }) => low)),
    close: parts.at(-1)?.close ?? Number.NaN,
    volume: parts.reduce((sum, { volume }) => sum + volume, 0),
  }))
}

test('weeks from Monday, calendar months and quarters are made of the recorded days, in all adjustments', {
  skip,
}, async (t: TestContext) => {
  assert.ok(recordedDays.length > 0)
  for (const recording of recordedDays) {
    await t.test(recording.file, async () => {
      await using app = await startReplayApp(recording, { only: recording.file })
      const symbol = symbolOf(recording)
      const to = iso(spanOf(recording).to)
      const days = adjustments.map((adjustment) => candlesOf(recording, adjustment))
      for (const interval of ['WEEK_1', 'MONTH_1', 'MONTH_3'] as const) {
        const wholes = days.map((each) => composed(each, wholesOf[interval]))
        const [first, count] = [wholes[0]?.[0]?.epoch ?? 0, wholes[0]?.length ?? 0]
        // Before the first one, the answer depends on how far back months of so few days make the server look.
        const parts: [Record<string, unknown>, start: number, hasEarlier: boolean | 'anything'][] = [
          [{ from: iso(first), to }, 0, 'anything'],
          // One that begins before the range is not in it, though some of its days are.
          [{ from: iso(first + daySeconds), to }, 1, true],
          [{ to, last: 1 }, count - 1, count > 1 || 'anything'],
          [{ to, last: 2 }, Math.max(0, count - 2), count > 2 || 'anything'],
          [{ to, last: count }, 0, 'anything'],
        ]
        for (const [variables, start, hasEarlier] of parts) {
          const { data, errors } = await app.ask<AllSeries>(inAllAdjustments, { symbol, interval, ...variables })
          assert.equal(errors, undefined)
          for (const [i, adjustment] of adjustments.entries()) {
            assertCandles(data?.[adjustment], wholes[i]?.slice(start) ?? [], adjustment)
            if (hasEarlier === 'anything') continue
            assert.equal(data?.[adjustment]?.hasEarlier, hasEarlier, `${interval} ${JSON.stringify(variables)}`)
          }
        }
      }
    })
  }
})

interface Actions {
  readonly dividends: readonly { time: string; amount: number }[]
  readonly splits: readonly { time: string; numerator: number; denominator: number }[]
}
const actionFields =
  'dividends(from: $from, to: $to) { time amount } splits(from: $from, to: $to) { time numerator denominator }'
const reaches = {
  MINUTE_1: 30,
  MINUTE_2: 60,
  MINUTE_5: 60,
  MINUTE_15: 60,
  MINUTE_30: 60,
  HOUR_1: 730,
  HOUR_2: 730,
  HOUR_4: 730,
  DAY_1: null,
  WEEK_1: null,
  MONTH_1: null,
  MONTH_3: null,
}

test('an instrument has the recorded dividends and splits on their dates, the same candles, and the reach of its source', {
  skip,
}, async (t: TestContext) => {
  let [paid, split] = [0, 0]
  for (const recording of recordedDays) {
    await t.test(recording.file, async () => {
      await using app = await startReplayApp(recording, { only: recording.file })
      const { meta } = chartOf(recording)
      const { symbol, from, to } = variablesOf(recording)
      const { instrumentType: quoteType, regularMarketPrice, regularMarketTime } = meta
      app.yahoo.setQuote(symbol, { quoteType, regularMarketPrice, regularMarketTime })
      const expected: Actions = {
        dividends: dividendsOf(recording).map(({ epoch, amount }) => ({ time: iso(epoch), amount })),
        splits: splitsOf(recording).map(({ epoch, numerator, denominator }) => ({
          ...{ time: iso(epoch), numerator, denominator },
        })),
      }
      paid += expected.dividends.length
      split += expected.splits.length

      const whole = await app.ask<{ instrument: Actions & { candles: Series } & Record<string, unknown> }>(
        `query ($symbol: Symbol!, $from: DateTime, $to: DateTime) {
          instrument(symbol: $symbol) {
            ${actionFields} candles(from: $from, to: $to) { ${seriesFields} }
            ${Object.keys(reaches).map((interval) => `${interval}: reachDays(interval: ${interval})`)}
          }
        }`,
        { symbol, from, to },
      )
      assert.equal(whole.errors, undefined)
      const { candles, ...rest } = whole.data?.instrument ?? {}
      assertCandles(candles, candlesOf(recording, 'SPLITS'), 'SPLITS')
      assert.deepEqual(rest, { ...expected, ...reaches })

      const times = [...expected.dividends, ...expected.splits].map(({ time }) => time).sort()
      const parts: [Record<string, unknown>, (time: string) => boolean][] = [
        [{}, () => true],
        [{ from: times.at(-1) }, (time) => time >= (times.at(-1) ?? '')],
        [{ to: times.at(-1) }, (time) => time < (times.at(-1) ?? '\uffff')],
      ]
      for (const [variables, isInside] of parts) {
        const { data, errors } = await app.ask<{ instrument: Actions }>(
          `query ($symbol: Symbol!, $from: DateTime, $to: DateTime) { instrument(symbol: $symbol) { ${actionFields} } }`,
          { symbol, ...variables },
        )
        assert.equal(errors, undefined)
        assert.deepEqual(data?.instrument, {
          dividends: expected.dividends.filter(({ time }) => isInside(time)),
          splits: expected.splits.filter(({ time }) => isInside(time)),
        })
      }
    })
  }
  assert.ok(paid >= 5 && split >= 2)
})

test('a recorded split that came after a window counts for the prices as traded in it', { skip }, async () => {
  const split = recordedDays.find((recording) => splitsOf(recording).length > 0)
  assert.ok(split)
  const [{ epoch, numerator, denominator } = { epoch: 0, numerator: 0, denominator: 1 }] = splitsOf(split)
  const before = recordedDays.find((each) => symbolOf(each) === symbolOf(split) && spanOf(each).to <= epoch)
  assert.ok(before)
  await using app = await startReplayApp(before)
  const variables = variablesOf(before)
  const { data } = await app.ask<AllSeries>(query(['SPLITS']), variables)
  const days = candlesOf(before, 'SPLITS')
  assertCandles(data?.SPLITS, days, 'SPLITS')
  const asTraded = await app.ask<AllSeries>(query(['NONE']), variables)
  const ratio = numerator / denominator
  const expected = days.map((day) => ({
    epoch: day.epoch,
    open: day.open * ratio,
    high: day.high * ratio,
    low: day.low * ratio,
    close: day.close * ratio,
    volume: day.volume / ratio,
  }))
  assertCandles(asTraded.data?.NONE, expected, 'NONE')
})

test('a spoilt chart gives a typed error or nothing, in any adjustment, and the server lives on', {
  skip,
}, async (t: TestContext) => {
  const files = recordings.filter((recording) => isChart(recording) && isFake(recording.file))
  assert.ok(files.length > 0)
  for (const recording of files) {
    await t.test(recording.file, async () => {
      await using app = await startReplayApp(recording, { fake: recording.file })
      const { data, errors = [] } = await app.ask<AllSeries>(inAllAdjustments, variablesOf(recording))
      for (const adjustment of adjustments) {
        const failures = errors.filter(({ path }) => path?.[0] === adjustment)
        if (failures.length === 0) assert.deepEqual(data?.[adjustment]?.nodes, [])
        else {
          assert.equal(data?.[adjustment], null)
          assert.deepEqual(
            failures.map(({ extensions }) => extensions.code),
            ['SOURCE_UNAVAILABLE'],
          )
        }
      }
      const after = await app.ask<{ quote: { price: number } }>('{ quote(symbol: "AAPL") { price } }')
      assert.ok((after.data?.quote.price ?? 0) > 0)
    })
  }
})
