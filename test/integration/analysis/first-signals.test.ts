import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { symbolFindings } from '../../../src/analysis/symbol-findings.ts'
import type { EnqueueRequest, Job } from '../../../src/domain/job.ts'
import { storeFirstSignals } from '../../../src/jobs/tasks/first-signals.ts'
import { followSignals } from '../../../src/jobs/tasks/signal-outcomes.ts'
import { findingsInput } from '../../../src/jobs/tasks/symbol-analysis.ts'
import { MarketService } from '../../../src/market/market-service.ts'
import { Quarantine } from '../../../src/market/quarantine.ts'
import { simulatedSource } from '../../../src/market/simulated/source.ts'
import { FairSlots } from '../../../src/platform/concurrency/fair-slots.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { OutcomeStore } from '../../../src/store/analyses/outcome-store.ts'
import { SignalStore } from '../../../src/store/analyses/signal-store.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const nowMs = Date.parse('2025-06-18T15:00:00Z')
const never = new AbortController().signal

for (const hours of ['always', 'exchange'] as const) {
  test(`a new database has past signals with their outcomes at once, and once only (${hours})`, async () => {
    await using stack = new AsyncDisposableStack()
    const database = stack.use(await createTestDatabase())
    const pool = stack.adopt(createPool(database.url, silentLog), (pool) => pool.end())
    const registry = new Registry()
    const now = () => nowMs
    const market = new MarketService({
      source: simulatedSource({ symbolCount: 100, ticksPerSecond: 1, hours, now }),
      store: new CandleStore(pool),
      registry,
      quarantine: new Quarantine({ log: silentLog, registry }),
      now,
    })
    const signals = new SignalStore({ pool, source: 'SIMULATED' })
    const queued: EnqueueRequest[] = []
    const jobs = {
      async enqueue(request: EnqueueRequest) {
        queued.push(request)
        return { job: {} as Job, deduplicated: false }
      },
    }
    const options = { market, signals, pool, jobs }

    const stored = await storeFirstSignals(options, never)
    assert.ok(stored > 50, `${stored}`)
    const outcomes = new OutcomeStore({ pool, source: 'SIMULATED' })
    await followSignals({ market, outcomes, slots: new FairSlots(4), now }).run(nowMs, silentLog, never)

    const all = await signals.list({ symbols: null, kinds: null, before: null, limit: 1000 })
    assert.equal(all.length, stored)
    const ages = all.map(({ knownAtMs }) => (nowMs - knownAtMs) / 86_400_000)
    assert.ok(Math.min(...ages) >= 0 && Math.min(...ages) < 6 && Math.max(...ages) > 50)
    for (const [i, { outcome }] of all.entries()) {
      const age = ages[i] ?? 0
      if (age > 2) assert.equal(typeof outcome?.return1d, 'number')
      if (age > 10) assert.equal(typeof outcome?.return1w, 'number')
      if (age > 34) assert.equal(typeof outcome?.return1m, 'number')
    }
    assert.ok(all.some(({ outcome }) => outcome?.complete))
    assert.equal(new Set(all.map(({ symbol }) => symbol)).size, 12)

    // Each is what an analysis on its day would have found.
    const to = Date.parse('2025-05-16') / 1000
    const then = symbolFindings(await findingsInput(market, 'NVDA', 'DAY_1', to)).signals
    const found = all.filter(({ symbol, epoch }) => symbol === 'NVDA' && then.some((each) => each.epoch === epoch))
    const names = (list: readonly { kind: string; epoch: number; price: number }[]) =>
      list.map(({ kind, epoch, price }) => `${kind} ${epoch} ${price}`).sort()
    assert.deepEqual(names(found), names(then))

    assert.deepEqual(
      queued.map(({ kind }) => kind),
      ['ANALYSIS'],
    )
    assert.equal(await storeFirstSignals(options, never), 0)
    assert.equal(queued.length, 1)
  })
}

test('nothing is stored if the server stops meanwhile', async () => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await createTestDatabase())
  const pool = stack.adopt(createPool(database.url, silentLog), (pool) => pool.end())
  const signals = new SignalStore({ pool, source: 'SIMULATED' })
  const market = {
    instruments: () => simulatedSource({ symbolCount: 3, ticksPerSecond: 1 }).instruments?.() ?? null,
    candles: () => assert.fail(),
  }
  const jobs = { enqueue: () => assert.fail() }
  assert.equal(await storeFirstSignals({ market, signals, pool, jobs }, AbortSignal.abort()), 0)
})
