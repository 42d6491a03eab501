import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backfillTask } from '../../../../src/jobs/tasks/backfill.ts'
import type { MarketService } from '../../../../src/market/market-service.ts'
import { FairSlots } from '../../../../src/platform/concurrency/fair-slots.ts'
import { silentLog } from '../../../support/log.ts'

const day = 86_400_000
const now = Date.UTC(2026, 0, 31)

/** What the market is asked for, as days before the present. */
async function pieces(input: { interval: string; fromMs: number; toMs: number | null; reachDays: number | null }) {
  const asked: { from: number; to: number }[] = []
  const daysAgo = (epoch: number): number => (now / 1000 - epoch) / 86_400
  const market = {
    reachDays: () => input.reachDays,
    backfill: async (_symbol: string, _interval: string, from: number, to: number) => {
      asked.push({ from: daysAgo(from), to: daysAgo(to) })
      return { count: 0, firstEpoch: null, lastEpoch: null }
    },
  } as unknown as MarketService
  const task = backfillTask({ market, slots: new FairSlots(16), now: () => now })
  await task.run(
    { symbols: ['AAPL'], ...input },
    {
      ...{ jobId: 'job', signal: new AbortController().signal, progress: () => {}, log: silentLog, isLast: false },
      ...{ savedParts: async () => new Map(), savePart: async () => {} },
    },
  )
  return asked
}

test('what lies before the reach of the source is one piece, cut where pieces are cut', async () => {
  const asked = await pieces({ interval: 'MINUTE_1', fromMs: now - 4000 * day, toMs: null, reachDays: 30 })
  assert.deepEqual(asked, [
    { from: 4000, to: 31 },
    { from: 31, to: 24 },
    { from: 24, to: 17 },
    { from: 17, to: 10 },
    { from: 10, to: 3 },
    { from: 3, to: 0 },
  ])
})

test('a range from the first to the last year that can be written has few pieces, and ends at the present', async () => {
  for (const interval of ['MINUTE_1', 'HOUR_1', 'DAY_1']) {
    const asked = await pieces({
      interval,
      fromMs: Date.parse('0001-01-01'),
      toMs: Date.UTC(9999, 11, 31),
      reachDays: 730,
    })
    assert.ok(asked.length <= 110, `${asked.length} pieces of ${interval}`)
    assert.equal(asked.at(-1)?.to, 0)
  }
  assert.ok((await pieces({ interval: 'DAY_1', fromMs: 0, toMs: null, reachDays: null })).length < 20)
})
