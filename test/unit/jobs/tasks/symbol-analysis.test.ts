import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toColumns } from '../../../../src/analysis/indicators/columns.ts'
import { findingsCandles, symbolFindings } from '../../../../src/analysis/symbol-findings.ts'
import type { Candle, CandleRequest, CandleSeries } from '../../../../src/domain/candle.ts'
import { type CandleList, listOf } from '../../../../src/domain/candle-list.ts'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { computeFindings, findingsInput } from '../../../../src/jobs/tasks/symbol-analysis.ts'
import type { MarketService } from '../../../../src/market/market-service.ts'
import { CpuPool } from '../../../../src/platform/concurrency/cpu-pool.ts'
import { barsRaising, daysOf } from '../../../support/candles/signal-candles.ts'
import { silentLog } from '../../../support/log.ts'

const sessions = { timezone: 'Europe/London', opens: 1, closes: 2 }
const days = daysOf(barsRaising.MA50_BREAKOUT_UP)
const running = days.map((day, i): Candle => (i === days.length - 1 ? { ...day, closed: false } : day))

/** A market that has these candles of every symbol, and what it was asked for. */
function marketOf(answer: (Pick<CandleSeries, 'nodes' | 'hasEarlier'> & Partial<CandleSeries>) | Error) {
  const asked: CandleRequest[] = []
  const candles = async (requests: readonly CandleRequest[]): Promise<unknown[]> => {
    asked.push(...requests)
    const usual = { source: 'SIMULATED', sessions, stale: false, failure: null }
    // Its nodes may be made when they are read.
    return [answer instanceof Error ? answer : Object.defineProperties(usual, Object.getOwnPropertyDescriptors(answer))]
  }
  return { asked, market: { candles } as unknown as MarketService }
}

test('findings are made of as many candles before a time as they need, adjusted for splits, of regular sessions', async () => {
  const { asked, market } = marketOf({ nodes: running, hasEarlier: true })
  const input = await findingsInput(market, 'AAPL', 'MINUTE_1', 1_741_970_000)
  assert.deepEqual(asked, [
    {
      ...{ symbol: 'AAPL', interval: 'MINUTE_1', from: null, to: 1_741_970_000 },
      ...{ last: findingsCandles('MINUTE_1'), earlier: 0 },
      ...{ adjustment: 'SPLITS', extendedHours: false },
    },
  ])
  assert.deepEqual(input, {
    ...{ symbol: 'AAPL', source: 'SIMULATED', interval: 'MINUTE_1', sessions, isWhole: false },
    ...{ candles: toColumns(running), closedCount: running.length - 1 },
  })
})

test('columns that the market has are taken as they are, without an object for each candle', async () => {
  const objects = listOf(running)
  let made = 0
  const all = (): never => {
    throw new Error('all candles were made')
  }
  const nodes: CandleList<Candle> = {
    ...objects,
    get candles() {
      return all()
    },
    slice: (from, to) => {
      made += to - from
      return objects.slice(from, to)
    },
  }
  const { market } = marketOf({
    get nodes() {
      return all()
    },
    hasEarlier: true,
    lists: { nodes, earlier: listOf([]) },
  })
  const { candles, closedCount } = await findingsInput(market, 'AAPL', 'DAY_1', null)
  assert.deepEqual(candles, toColumns(running))
  assert.equal(closedCount, running.length - 1)
  assert.equal(made, 2)
})

test('where there is nothing earlier, the candles are known to be all', async () => {
  const { market } = marketOf({ nodes: days, hasEarlier: false })
  const { isWhole, closedCount } = await findingsInput(market, 'AAPL', 'DAY_1', null)
  assert.deepEqual([isWhole, closedCount], [true, days.length])
})

test('what the market fails with is passed on', async () => {
  const { market } = marketOf(new FinstageError('SYMBOL_NOT_FOUND', 'unknown'))
  await assert.rejects(findingsInput(market, 'AAPL', 'DAY_1', null), { code: 'SYMBOL_NOT_FOUND' })
})

test('nothing is found in candles that may have gaps, as the source could not be asked or no longer knows the symbol', async () => {
  for (const code of ['SOURCE_RATE_LIMITED', 'SYMBOL_NOT_FOUND'] as const) {
    const failure = new FinstageError(code, 'why', { retryAfterSeconds: 90 })
    const { market } = marketOf({ nodes: days, hasEarlier: true, stale: true, failure })
    await assert.rejects(findingsInput(market, 'AAPL', 'DAY_1', null), failure)
  }
})

test('findings come from a thread as they would from here, fail as they would, and end with an abort', async (t) => {
  const cpu = new CpuPool(silentLog)
  t.after(() => cpu.stop())
  const { signal } = new AbortController()
  const input = await findingsInput(marketOf({ nodes: days, hasEarlier: false }).market, 'AAPL', 'DAY_1', null)
  const found = await computeFindings(cpu, input, signal)
  assert.deepEqual(found, symbolFindings(input))
  assert.ok(found.signals.length > 0)
  await assert.rejects(computeFindings(cpu, { ...input, candles: toColumns([]) }, signal), { code: 'NO_DATA' })
  await assert.rejects(computeFindings(cpu, input, AbortSignal.abort(new Error('cancelled'))), { message: 'cancelled' })
})
