import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { adjustments, type Candle, type CandleRequest } from '../../../src/domain/candle.ts'
import { type Interval, sourceInterval } from '../../../src/domain/time/interval.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { barsOf, expected, lastAsked, type Model, modelSource, sessionsOf } from '../../support/candles/model-market.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const day = (date: string): number => Date.parse(date) / 1000 / daySeconds

/** Zones west and east of UTC, with and without daylight saving, with openings on the full, the half and the quarter hour. */
const exchanges = [
  { timezone: 'America/New_York', opens: 34_200, closes: 57_600 },
  { timezone: 'Europe/London', opens: 28_800, closes: 59_400 },
  { timezone: 'Asia/Tokyo', opens: 32_400, closes: 55_800 },
  { timezone: 'Australia/Sydney', opens: 36_000, closes: 57_600 },
  { timezone: 'Asia/Kolkata', opens: 33_300, closes: 55_800 },
]
/** Around changes of daylight saving in New York, London and Sydney, and the end of a year. */
const starts = [day('2025-03-05'), day('2025-03-26'), day('2025-10-01'), day('2025-10-22'), day('2025-12-20')]
const historyDays = 90
const futureDays = 25

const models: fc.Arbitrary<Model & { readonly startDay: number }> = fc
  .record({
    exchange: fc.constantFrom(...exchanges),
    startDay: fc.constantFrom(...starts),
    holidays: fc.array(fc.integer({ min: -historyDays, max: futureDays }), { maxLength: 8 }),
    halfDays: fc.array(fc.integer({ min: -historyDays, max: futureDays }), { maxLength: 4 }),
    splits: fc.array(fc.record({ day: fc.integer({ min: -40, max: 15 }), ratio: fc.constantFrom(2, 4, 0.1, 1.5) }), {
      maxLength: 2,
    }),
    dividends: fc.array(
      fc.record({ day: fc.integer({ min: -60, max: 15 }), share: fc.constantFrom(0.004, 0.01, 0.2) }),
      { maxLength: 3 },
    ),
    delaySeconds: fc.constantFrom(0, 900),
    unsettled: fc.record({ share: fc.constantFrom(0, 0.1, 0.4), days: fc.constantFrom(1, 1.7, 3, 5.5, 8, 30) }),
    seed: fc.integer(),
  })
  .map(({ exchange, startDay, holidays, halfDays, splits, dividends, delaySeconds, unsettled, seed }) => {
    const dated = <T extends { day: number }>(actions: readonly T[]) =>
      [...new Map(actions.map((each) => [each.day, each])).values()].map((each) => ({
        ...each,
        day: startDay + each.day,
      }))
    const model: Model = {
      ...exchange,
      firstDay: startDay - historyDays,
      lastDay: startDay + futureDays,
      holidays: new Set(holidays.map((each) => startDay + each)),
      halfDays: new Set(halfDays.map((each) => startDay + each)),
      splits: dated(splits),
      dividends: dated(dividends),
      delaySeconds,
      unsettled,
      seed,
    }
    const traded = new Set(sessionsOf(model).map((session) => session.day))
    const onTradingDays = <T extends { day: number }>(actions: readonly T[]) =>
      actions.filter((each) => traded.has(each.day))
    return {
      ...model,
      startDay,
      splits: onTradingDays(model.splits),
      dividends: onTradingDays(model.dividends),
    }
  })

interface Step {
  readonly passSeconds: number
  /** A process that is started anew remembers nothing but what is stored. */
  readonly restart: boolean
  readonly request: Omit<CandleRequest, 'symbol' | 'from' | 'to'> & {
    readonly fromBack: number | null
    readonly toBack: number | null
  }
}

const intervals: readonly Interval[] = [
  ...(['MINUTE_15', 'MINUTE_30', 'HOUR_1', 'HOUR_2', 'HOUR_4'] as const),
  ...(['DAY_1', 'DAY_1', 'WEEK_1', 'MONTH_1', 'MONTH_3'] as const),
]
/** Within the reach of all intervals, however the two add up. */
const back = fc.integer({ min: 0, max: 26 * daySeconds })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    // Longer than any answer is taken for new, where a market is closed.
    passSeconds: fc.oneof(fc.integer({ min: 301, max: 3600 }), fc.integer({ min: 3600, max: 2 * daySeconds })),
    restart: fc.boolean(),
    request: fc.record({
      interval: fc.constantFrom(...intervals),
      adjustment: fc.constantFrom(...adjustments),
      extendedHours: fc.constant(false),
      fromBack: fc.option(back),
      toBack: fc.option(back),
      last: fc.option(fc.integer({ min: 1, max: 60 })),
      earlier: fc.constantFrom(1, 5),
    }),
  }),
  { minLength: 2, maxLength: 9 },
)

const dayOf = (epoch: number): number => Math.floor(epoch / daySeconds)

let runs = 0

test('whatever was asked for before, in whatever order, the same range gives what the source said last of each candle, and every candle was asked for again one, three and eight days after its own', async () => {
  await fc.assert(
    fc.asyncProperty(models, steps, async (model, steps) => {
      const symbol = `P${runs++}`
      let now = model.startDay * daySeconds + 0.305
      const source = modelSource(model, () => now)
      const open = () => new CandleService({ source, store: new CandleStore(pool), now: () => now * 1000 })
      let service = open()
      const unsettledOf = ({ interval, from, to }: CandleRequest) =>
        barsOf(model, sourceInterval(interval), now).flatMap(({ epoch }) => {
          if (from === null || epoch < from || epoch >= (to ?? now)) return []
          const asked = lastAsked(source.calls, sourceInterval(interval), epoch)
          return asked === undefined ? [] : [{ epoch, asked }]
        })
      for (const { passSeconds, restart, request } of steps) {
        now += passSeconds
        if (restart) service = open()
        const asked = toRequest(symbol, request, Math.floor(now))
        const [answer] = await service.candles([asked])
        if (answer === undefined || answer instanceof Error) throw answer
        const wanted = expected(model, asked, now, source.calls)
        assert.deepEqual(lines(answer.nodes), lines(wanted.nodes), JSON.stringify(asked))
        assert.deepEqual([answer.excluded, answer.hasEarlier], [wanted.excluded, wanted.hasEarlier])
        assert.equal(answer.stale, false)
        for (const { epoch, asked: askedAt } of unsettledOf(asked)) {
          const age = dayOf(now) - dayOf(epoch)
          const due = [8, 3, 1].find((days) => age > days) ?? 0
          assert.ok(dayOf(askedAt) - dayOf(epoch) >= due, `${epoch} was last asked for at ${askedAt}, now is ${now}`)
        }
        const calls = source.calls.length
        assert.deepEqual(await service.candles([asked]), [answer])
        assert.equal(source.calls.length, calls, 'asked again at once, nothing is fetched')
      }
    }),
    // A failure is made smaller only as long as the test may run.
    {
      numRuns: Number(process.env.PROPERTY_RUNS ?? 100),
      interruptAfterTimeLimit: 90_000,
    },
  )
})

function toRequest(symbol: string, { fromBack, toBack, ...rest }: Step['request'], now: number): CandleRequest {
  const to = toBack === null ? null : now - toBack
  const from = fromBack === null ? null : (to ?? now) - Math.max(60, fromBack)
  return { symbol, ...rest, from, to, last: rest.last ?? (from === null ? 40 : null) }
}

/** A line for each. Products of the same factors in another order differ in their last bits. */
const lines = (nodes: readonly Candle[]) =>
  nodes.map(({ epoch, open, high, low, close, volume, closed }) => {
    const prices = [open, high, low, close, volume ?? Number.NaN].map((value) => Number(value.toPrecision(12)))
    return `${new Date(epoch * 1000).toISOString()} ${prices.join(' ')} ${closed ? 'closed' : 'open'}`
  })
