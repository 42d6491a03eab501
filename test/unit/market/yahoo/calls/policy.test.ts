import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Registry } from 'prom-client'
import { FinstageError } from '../../../../../src/domain/errors.ts'
import { YahooRefusal } from '../../../../../src/market/yahoo/calls/errors.ts'
import { type YahooEndpoint, YahooMetrics } from '../../../../../src/market/yahoo/calls/metrics.ts'
import { YahooPolicy } from '../../../../../src/market/yahoo/calls/policy.ts'
import { RetryBudget } from '../../../../../src/market/yahoo/calls/retry-budget.ts'

const serverError = new YahooRefusal(500, 'upstream connect error', null)
const notFound = new YahooRefusal(404, 'Not Found', null)
const tooMany = new YahooRefusal(429, 'Too Many Requests', null)
const badCrumb = new YahooRefusal(401, 'Invalid Crumb', null)

interface Subject {
  readonly policy: YahooPolicy
  /** Calls that were let out. */
  readonly calls: { count: number }
  /** One call that ends so; its message where it fails. */
  call(outcome: Error | 'ok'): Promise<string>
  sample(name: string): Promise<Record<string, number>>
}

/** Without retries, unless so many are put into the purse. */
function subject({ endpoint = 'chart', purse = 0 }: { endpoint?: YahooEndpoint; purse?: number } = {}): Subject {
  const budget = new RetryBudget()
  // What the test's own calls earn is not to show.
  budget.take(purse === 0 ? 100 : 1)
  for (let retry = 0; retry < purse; retry++) budget.giveBack()
  const registry = new Registry()
  const metrics = new YahooMetrics(registry)
  const policy = new YahooPolicy({ endpoint, now: Date.now, budget, metrics }, { random: () => 0.5 })
  const calls = { count: 0 }
  const call = (outcome: Error | 'ok') =>
    policy
      .execute(async () => {
        calls.count++
        if (outcome !== 'ok') throw outcome
        return 'ok'
      })
      .catch((error: Error) => error.message)
  const sample = async (name: string) => {
    const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {}
    return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(' '), value]))
  }
  return { policy, calls, call, sample }
}

async function times(count: number, work: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await work()
}

/** Timers end at once; their delays are told. */
function noticedDelays(t: TestContext): number[] {
  const delays: number[] = []
  t.mock.method(globalThis, 'setTimeout', (ended: () => void, ms: number) => {
    delays.push(ms)
    setImmediate(ended)
  })
  return delays
}

test('what may pass is retried twice, at a random time within 200 ms and then 400 ms', async (t) => {
  const delays = noticedDelays(t)
  const { call, calls, sample } = subject({ purse: 5 })
  await call(serverError)
  assert.equal(calls.count, 3)
  assert.deepEqual(delays, [100, 200])
  assert.equal((await sample('finstage_source_retries_total')).chart, 2)
})

test('a failure for good pays for the retries that were made, and for no third', async (t) => {
  noticedDelays(t)
  // With what the calls earn these are 3.8 retries.
  const { call, calls } = subject({ purse: 2 })
  await times(20, () => call('ok'))
  await times(3, () => call(serverError))
  assert.equal(calls.count, 20 + 3 + 3)
})

test('without a budget nothing is retried', async () => {
  const { call, calls } = subject()
  await call(serverError)
  assert.equal(calls.count, 1)
})

for (const refusal of [notFound, badCrumb, tooMany, new YahooRefusal(403, 'Forbidden', null)]) {
  test(`a ${refusal.status} is never retried, whatever the budget`, async () => {
    const { call, calls } = subject({ purse: 5 })
    await call(refusal)
    assert.equal(calls.count, 1)
  })
}

test('five failures open the breaker: no further call leaves until a second has passed', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { call, calls, sample } = subject()
  const state = async () => (await sample('finstage_source_breaker_state')).chart
  await times(4, () => call(serverError))
  assert.equal(await state(), 0)
  await times(20, () => call(serverError))
  assert.equal(calls.count, 5)
  assert.equal(await state(), 2)
  assert.equal((await sample('finstage_source_rejected_total'))['chart breaker'], 19)
  t.mock.timers.tick(999)
  await call('ok')
  assert.equal(calls.count, 5)
  t.mock.timers.tick(1)
  assert.equal(await call('ok'), 'ok')
  assert.equal(await state(), 0)
  assert.equal(calls.count, 6)
})

test('16 failures of the last 20 calls open the breaker, 15 do not', async () => {
  for (const [failures, calledOnce] of [
    [15, true],
    [16, false],
  ] as const) {
    const { call, calls } = subject()
    await times(20 - failures, () => call('ok'))
    await times(failures, () => call(serverError))
    const before = calls.count
    await call('ok')
    assert.equal(calls.count, before + (calledOnce ? 1 : 0), `${failures} failures`)
  }
})

test('a breaker tries again with one call after 1, 2, 4, 8, 16, 30 and 30 s', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { call, calls } = subject()
  await times(5, () => call(serverError))
  for (const [attempt, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
    t.mock.timers.tick(seconds * 1000 - 1)
    await call(serverError)
    assert.equal(calls.count, 5 + attempt, `before ${seconds} s`)
    t.mock.timers.tick(1)
    await Promise.all([call(serverError), call(serverError), call(serverError)])
    assert.equal(calls.count, 6 + attempt, `after ${seconds} s`)
  }
})

test('symbols that are not known, refused crumbs and 429s open no breaker', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { call, calls, sample } = subject({ endpoint: 'quote' })
  for (const refusal of [notFound, badCrumb, tooMany]) {
    await times(20, () => call(refusal))
    t.mock.timers.tick(10_000)
  }
  assert.equal((await sample('finstage_source_breaker_state')).quote, 0)
  assert.equal(calls.count, 20 + 20 + 1)
})

test('a session that Yahoo refuses to open opens the breaker of sessions', async () => {
  const { call, calls } = subject({ endpoint: 'crumb' })
  await times(20, () => call(badCrumb))
  assert.equal(calls.count, 5)
})

test('callers that wait for a half-open breaker heed the 429 that it meets', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { call, calls, sample } = subject()
  await times(5, () => call(serverError))
  t.mock.timers.tick(1000)
  await Promise.all([call(tooMany), call('ok'), call('ok'), call('ok'), call('ok')])
  assert.equal(calls.count, 6)
  assert.equal((await sample('finstage_source_rejected_total'))['chart rate_limit'], 4)
})

test('a call that is kept back by a pause does not pass for the proof that a breaker waits for', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { policy, call, sample } = subject()
  const { promise: refused, reject: refuse } = Promise.withResolvers<never>()
  const underWay = assert.rejects(policy.execute(() => refused))
  await times(5, () => call(serverError))
  refuse(new YahooRefusal(429, 'Too Many Requests', 10))
  await underWay
  t.mock.timers.tick(5000)
  await call('ok')
  assert.equal((await sample('finstage_source_breaker_state')).chart, 2)
})

for (const [endpoint, slots] of [
  ['chart', 16],
  ['quote', 4],
] as const)
  test(`${slots} calls of ${endpoint} run, 500 wait, and one more is turned away at once`, async () => {
    const { policy, calls, sample } = subject({ endpoint })
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    const work = async () => {
      calls.count++
      most = Math.max(most, ++running)
      await gate
      running--
    }
    const admitted = Array.from({ length: 500 + slots }, () => policy.execute(work))
    await assert.rejects(policy.execute(work), { name: 'Error', isBulkheadRejectedError: true })
    assert.equal(calls.count, slots)
    open()
    await Promise.all(admitted)
    assert.deepEqual([calls.count, most], [500 + slots, slots])
    assert.equal((await sample('finstage_source_rejected_total'))[`${endpoint} bulkhead`], 1)
  })

test('a call that is to be retried holds no slot until then', async (t) => {
  const retryTimers: (() => void)[] = []
  t.mock.method(globalThis, 'setTimeout', (ended: () => void) => void retryTimers.push(ended))
  const { policy } = subject({ endpoint: 'quote', purse: 5 })
  let failing = true
  const work = async () => {
    if (failing) throw serverError
  }
  const failed = Array.from({ length: 4 }, () => policy.execute(work))
  while (retryTimers.length < 4) await new Promise(setImmediate)
  failing = false
  await Promise.all([1, 2, 3, 4, 5].map(() => policy.execute(work)))
  for (const retry of retryTimers) retry()
  await Promise.all(failed)
})

test('what keeps another endpoint from answering is told as it is, and not retried', async () => {
  const { call, calls } = subject({ purse: 5 })
  assert.equal(await call(new FinstageError('SOURCE_UNAVAILABLE', 'no session')), 'no session')
  assert.equal(calls.count, 1)
})
