import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError } from '../../../../src/domain/errors.ts'
import type { TaskContext } from '../../../../src/jobs/queue/define-task.ts'
import { backfillTask } from '../../../../src/jobs/tasks/backfill.ts'
import type { MarketService } from '../../../../src/market/market-service.ts'
import { FairSlots } from '../../../../src/platform/concurrency/fair-slots.ts'
import type { StoredExtent } from '../../../../src/store/candles/candle-store.ts'
import { silentLog } from '../../../support/log.ts'

const day = 86_400
const start = Date.UTC(2025, 0, 6) / 1000

/** A backfill of minutes, in pieces of seven days, whose attempts share what they saved. */
function backfill(fails: (from: number) => boolean) {
  const asked: string[] = []
  const saved = new Map<string, unknown>()
  let nowSeconds = start + 16 * day
  const stored = async (symbol: string, _interval: string, from: number, to: number): Promise<StoredExtent> => {
    asked.push(`${symbol} ${(from - start) / day}-${(to - start) / day}`)
    if (fails(from)) throw new FinstageError('SOURCE_UNAVAILABLE', 'away')
    return { count: (to - from) / day, firstEpoch: from, lastEpoch: to - 60 }
  }
  const task = backfillTask({
    market: { backfill: stored, reachDays: () => null } as unknown as MarketService,
    slots: new FairSlots(16),
    now: () => nowSeconds * 1000,
  })
  const context: TaskContext = {
    ...{ jobId: 'job', signal: new AbortController().signal, log: silentLog, isLast: false },
    progress: () => {},
    savedParts: async () => new Map(saved),
    savePart: async (name, result) => void saved.set(name, result),
  }
  return {
    async attempt(toMs: number | null) {
      asked.splice(0)
      const input = { symbols: ['A', 'B'], interval: 'MINUTE_1', fromMs: start * 1000, toMs }
      return (await task.run(input, context)).result
    },
    asked,
    pass(seconds: number) {
      nowSeconds += seconds
    },
  }
}

test('an attempt asks for what none before it has done, and tells of all that is stored', async () => {
  let isAway = true
  const { attempt, asked } = backfill((from) => isAway && from === start + 7 * day)
  const toMs = (start + 16 * day) * 1000
  await assert.rejects(attempt(toMs), { code: 'SOURCE_UNAVAILABLE' })
  assert.deepEqual(asked.toSorted(), ['A 0-7', 'A 14-16', 'A 7-14', 'B 0-7', 'B 14-16', 'B 7-14'])
  isAway = false
  const result = await attempt(toMs)
  assert.deepEqual(asked.toSorted(), ['A 7-14', 'B 7-14'])
  assert.deepEqual(result, { candleCount: 32, fromEpoch: start, toEpoch: start + 16 * day - 60, failures: [] })
})

test('without an end only the last piece, which has grown, is asked for again, and counts once', async () => {
  let isAway = true
  const { attempt, asked, pass } = backfill((from) => isAway && from === start)
  await assert.rejects(attempt(null), { code: 'SOURCE_UNAVAILABLE' })
  isAway = false
  pass(day)
  const result = await attempt(null)
  assert.deepEqual(asked.toSorted(), ['A 0-7', 'A 14-17', 'B 0-7', 'B 14-17'])
  assert.deepEqual(result, { candleCount: 34, fromEpoch: start, toEpoch: start + 17 * day - 60, failures: [] })
})
