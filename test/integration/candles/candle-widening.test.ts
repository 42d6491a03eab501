import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { CandleRequest, CandleSeries } from '../../../src/domain/candle.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import { simulatedSource } from '../../../src/market/simulated/source.ts'
import type { CandleBatch, CandleQuery } from '../../../src/market/source.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const minute = 60
const turn = Date.parse('2025-03-12T15:01:00Z') / 1000

/** A market that never closes, whose source can be asked without end, and what it was asked. */
function setting(change: (batch: CandleBatch) => CandleBatch = (batch) => batch) {
  const set = { now: turn, calls: [] as CandleQuery[] }
  const source = simulatedSource({ symbolCount: 20, ticksPerSecond: 1, now: () => set.now * 1000 })
  const service = new CandleService({
    source: {
      ...source,
      async candles(query) {
        set.calls.push(query)
        return change(await source.candles(query))
      },
    },
    store: new CandleStore(pool),
    now: () => set.now * 1000,
  })
  const ask = async (symbol: string, last: number, earlier = 1): Promise<CandleSeries> => {
    const request: CandleRequest = {
      ...{ symbol, interval: 'MINUTE_1', from: null, to: null, last, earlier },
      ...{ adjustment: 'SPLITS', extendedHours: false },
    }
    const [answer] = await service.candles([request])
    if (answer === undefined || answer instanceof Error) throw answer
    return answer
  }
  return { set, ask }
}

const epochs = ({ nodes }: CandleSeries): number[] => nodes.map(({ epoch }) => (epoch - turn) / minute)

for (const last of [1, 5, 500]) {
  test(`a chart of ${last} that is polled across the turn of a minute asks for nothing older than it shows`, async () => {
    const { set, ask } = setting()
    const symbol = { 1: 'AAPL', 5: 'TSLA', 500: 'MSFT' }[last] ?? ''
    set.now = turn - 2
    assert.equal((await ask(symbol, last)).nodes.length, last)
    const oldest = Math.min(...set.calls.filter(({ interval }) => interval === 'MINUTE_1').map(({ from }) => from))
    for (const now of [turn, turn + 0.3, turn + 3, turn + 4, turn + minute, turn + minute + 0.3]) {
      set.calls.length = 0
      set.now = now
      const series = await ask(symbol, last)
      assert.equal(series.nodes.length, last)
      assert.equal(series.hasEarlier, true)
      for (const { from, interval } of set.calls) if (interval === 'MINUTE_1') assert.ok(from >= oldest)
    }
    // A candle that began since is there as soon as the open end is fetched again.
    set.now += 5
    assert.equal(epochs(await ask(symbol, last)).at(-1), 1)
  })
}

test('a newest candle that the source does not have yet widens no range', async () => {
  const { set, ask } = setting((batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => epoch < turn) }))
  set.now = turn + 10
  const series = await ask('NVDA', 30)
  assert.deepEqual([series.nodes.length, epochs(series).at(-1)], [30, -1])
  assert.equal(set.calls.filter(({ interval }) => interval === 'MINUTE_1').length, 1)
})

test('where older candles are lacking the range doubles until there are enough', async () => {
  const quiet = (epoch: number): boolean => epoch < turn - 40 * minute || epoch > turn - 5 * minute
  const { set, ask } = setting((batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => quiet(epoch)) }))
  const series = await ask('AMZN', 10)
  assert.deepEqual(epochs(series), [-45, -44, -43, -42, -41, -4, -3, -2, -1, 0])
  const asked = set.calls.filter(({ interval }) => interval === 'MINUTE_1')
  assert.equal(asked.length, 3)
  assert.ok(asked.every(({ from }) => from >= turn - 4 * 13 * minute))
})

test('a range is widened to 16 times its length and no further: then there are fewer, and it says that there are earlier ones', async () => {
  // One candle an hour.
  const { set, ask } = setting((batch) => ({
    ...batch,
    candles: batch.candles.filter(({ epoch }) => epoch % 3600 === 0),
  }))
  const series = await ask('META', 10)
  assert.deepEqual(epochs(series), [-181, -121, -61, -1])
  assert.equal(series.hasEarlier, true)
  assert.equal(series.isWhole, false)
  const asked = set.calls.filter(({ interval }) => interval === 'MINUTE_1')
  assert.equal(asked.length, 5)
  const from = Math.min(...asked.map((query) => query.from))
  assert.ok(from >= turn - 16 * 13 * minute && from <= turn - 16 * 11 * minute)
  // What was looked at is known: a poll costs no upstream request.
  set.calls.length = 0
  await ask('META', 10)
  assert.deepEqual(set.calls, [])
})
