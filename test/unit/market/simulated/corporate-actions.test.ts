import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceCandle } from '../../../../src/domain/candle.ts'
import { finished } from '../../../../src/domain/steps.ts'
import { adjusted as adjustedInSteps } from '../../../../src/market/candles/adjustment.ts'
import { simulatedInstruments } from '../../../../src/market/simulated/instruments/instruments.ts'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'
import { adjustedCloses } from '../../../../src/market/yahoo/adjusted-closes.ts'

const adjusted = (...given: Parameters<typeof adjustedInSteps>) => finished(adjustedInSteps(...given))

const day = 86_400
const startOf = (date: string): number => Date.parse(date) / 1000
const payers = ['AAPL', 'KO', 'SPY', 'TLT', 'SHEL.L', 'SAP.DE', '7203.T', 'GE', 'VFIAX'] as const

async function daysOf(symbol: string, now: string, from = '2015-01-01', hours: 'always' | 'exchange' = 'always') {
  const source = simulatedSource({ symbolCount: 120, ticksPerSecond: 1, hours, now: () => Date.parse(now) })
  const query = {
    symbol,
    interval: 'DAY_1',
    extendedHours: false,
    from: startOf(from),
    to: startOf('2040-01-01'),
  } as const
  return source.candles(query)
}

const closeOn = (candles: readonly SourceCandle[], date: string): number =>
  candles.find(({ epoch }) => epoch === startOf(date))?.close ?? Number.NaN

for (const hours of ['always', 'exchange'] as const) {
  test(`adjusted closes step at each dividend by what was paid as a share of the close before (${hours})`, async () => {
    for (const symbol of payers) {
      const { candles, dividends } = await daysOf(symbol, '2025-06-18T15:00:00Z', '2015-01-01', hours)
      assert.ok(dividends.length >= 10, `${symbol}: ${dividends.length} dividends`)
      const paid = new Map(dividends.map(({ epoch, amount }) => [epoch, amount]))
      assert.equal(candles.at(-1)?.adjustedClose, candles.at(-1)?.close)
      let share = 1
      for (let i = candles.length - 1; i > 0; i--) {
        const [today, before] = [candles[i], candles[i - 1]]
        assert.ok(today && before)
        const amount = paid.get(today.epoch)
        if (amount !== undefined) share *= 1 - amount / before.close
        paid.delete(today.epoch)
        assert.ok(Math.abs((before.adjustedClose ?? Number.NaN) / before.close - share) < 1e-12, symbol)
      }
      assert.equal(paid.size, 0, 'every ex-date is a trading date')
    }
  })
}

test('the check of adjusted closes against dividends finds nothing to mend', async () => {
  for (const symbol of payers) {
    const { candles, dividends } = await daysOf(symbol, '2025-06-18T15:00:00Z')
    const mended: number[] = []
    const closes = adjustedCloses(
      candles,
      dividends.map((paid) => ({ ...paid, gains: 0 })),
      ({ epoch }) => mended.push(epoch),
    )
    assert.deepEqual(mended, [])
    for (const [i, each] of closes.entries()) assert.equal(each, candles[i]?.adjustedClose)
  }
})

test('companies pay their dividends every quarter, at about the yield that they are known for', async () => {
  const { candles, dividends } = await daysOf('KO', '2025-06-18T15:00:00Z', '2024-06-18')
  assert.equal(dividends.length, 4)
  const total = dividends.reduce((sum, { amount }) => sum + amount, 0)
  const yearly = total / (candles.at(-1)?.close ?? Number.NaN)
  assert.ok(yearly > 0.02 && yearly < 0.045, `${yearly}`)
  for (const { currency } of dividends) assert.equal(currency, 'USD')
  assert.equal((await daysOf('SHEL.L', '2025-06-18T15:00:00Z')).dividends[0]?.currency, 'GBp')
  assert.equal((await daysOf('BTC-USD', '2025-06-18T15:00:00Z')).dividends.length, 0)
})

test('the dividends and splits of a range are those dated in it, and none is told before its day', async () => {
  const whole = await daysOf('AAPL', '2025-06-18T15:00:00Z')
  for (const { epoch } of whole.dividends) {
    const eve = await daysOf('AAPL', new Date(epoch * 1000 - 1).toISOString(), '2024-01-01')
    assert.ok(eve.dividends.every((each) => each.epoch < epoch))
  }
  const { epoch } = whole.dividends.at(-1) ?? assert.fail()
  const source = simulatedSource({ symbolCount: 1, ticksPerSecond: 1, now: () => (epoch + day) * 1000 })
  const range = async (from: number, to: number) =>
    (await source.candles({ symbol: 'AAPL', interval: 'DAY_1', extendedHours: false, from, to })).dividends
  assert.equal((await range(epoch, epoch + day)).length, 1)
  assert.equal((await range(epoch + 1, epoch + day)).length, 0)
  assert.equal((await range(epoch - day, epoch)).length, 0)
})

test('a split is told from its day on, and prices before it are those of before, divided', async () => {
  const eve = await daysOf('AAPL', '2020-08-30T12:00:00Z', '2020-06-01')
  const after = await daysOf('AAPL', '2020-09-02T12:00:00Z', '2020-06-01')
  assert.deepEqual(eve.splits, [])
  assert.deepEqual(after.splits, [{ epoch: startOf('2020-08-31'), numerator: 4, denominator: 1 }])
  const date = '2020-08-20'
  assert.ok(Math.abs(closeOn(eve.candles, date) / closeOn(after.candles, date) - 4) < 1e-9)
  const volume = (candles: readonly SourceCandle[]) => candles.find(({ epoch }) => epoch === startOf(date))?.volume ?? 0
  assert.ok(Math.abs(volume(after.candles) / volume(eve.candles) - 4) < 1e-6)
  const [first, second] = [eve.dividends[0], after.dividends[0]]
  assert.ok(first && second && Math.abs(first.amount / second.amount - 4) < 1e-9)
})

test('the live price and the market value go over a split without a jump but for its ratio', async () => {
  const quoteAt = async (time: string) => {
    const source = simulatedSource({ symbolCount: 1, ticksPerSecond: 1, now: () => Date.parse(time) })
    return (await source.listings(['AAPL'])).get('AAPL')?.quote ?? assert.fail()
  }
  const [before, after] = [await quoteAt('2020-08-30T23:59:59.999Z'), await quoteAt('2020-08-31T00:00:00Z')]
  assert.ok(Math.abs(before.price / after.price - 4) < 0.05, `${before.price} ${after.price}`)
  assert.ok(Math.abs((before.marketCap ?? 0) / (after.marketCap ?? 1) - 1) < 0.02)
  assert.ok(Math.abs((before.fiftyTwoWeekHigh ?? 0) / (after.fiftyTwoWeekHigh ?? 1) - 4) < 0.05)
})

test('prices without their splits are those that were traded on the day, for forward and reverse splits', async () => {
  for (const [symbol, eve, date] of [
    ['AAPL', '2020-08-30T23:59:59.999Z', '2020-08-29'],
    ['NVDA', '2021-07-19T23:59:59.999Z', '2021-07-15'],
    ['GE', '2021-08-01T23:59:59.999Z', '2021-07-30'],
  ] as const) {
    const then = await daysOf(symbol, eve, '2021-07-01' < date ? '2021-07-01' : '2020-08-01')
    const now = await daysOf(symbol, '2025-06-18T15:00:00Z')
    const traded = adjusted(now.candles, 'NONE', { timezone: null, splits: now.splits, days: [] })
    const found = traded.find(({ epoch }) => epoch === startOf(date))?.close ?? Number.NaN
    assert.ok(Math.abs(found / closeOn(then.candles, date) - 1) < 1e-9, `${symbol}: ${found}`)
  }
})

test('some ten forward splits and a reverse one lie in the decade before 2025', () => {
  const splits = [...simulatedInstruments(100, 1).values()].flatMap((of) => of.splits)
  const forward = splits.filter(({ numerator, denominator }) => numerator > denominator)
  assert.ok(forward.length >= 8 && forward.length <= 12)
  assert.equal(splits.length - forward.length, 1)
})
