import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { TrustedClock } from '../../../src/platform/trusted-clock.ts'

const realMs = Date.UTC(2025, 2, 12, 15)
const hourMs = 3_600_000

/** Clocks that the test sets: of the database, of the machine, and the one that nobody sets. */
async function start(t: TestContext, { machineAheadMs = 0, answerMs = 0 } = {}) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const state = { passedMs: 0, machineAheadMs, databaseAheadMs: 0, answerMs, asked: 0, isAway: false }
  const logged: string[] = []
  const registry = new Registry()
  const log = (level: string) => (told: { clock?: string; aheadSeconds?: number; seconds?: number }) =>
    void logged.push(`${level} ${told.clock ?? 'database'} ${told.aheadSeconds ?? told.seconds}`)
  const clock = new TrustedClock({
    ask: async () => {
      state.asked += 1
      if (state.isAway) throw new Error('away')
      state.passedMs += state.answerMs / 2
      const ms = realMs + state.databaseAheadMs + state.passedMs
      state.passedMs += state.answerMs / 2
      return ms
    },
    log: { info: log('info'), warn: log('warn') },
    registry,
    machineMs: () => realMs + state.machineAheadMs + state.passedMs,
    steadyMs: () => 5000 + state.passedMs,
  })
  await clock.start()
  t.after(() => clock.stop())
  return {
    clock,
    state,
    logged: () => logged.splice(0),
    /** How far the clock is ahead of the real time. */
    aheadMs: () => clock.now() - realMs - state.passedMs,
    skew: async (of: string) => {
      const { values } = (await registry.getSingleMetric('finstage_clock_skew_seconds')?.get()) ?? { values: [] }
      return values.find(({ labels }) => labels.clock === of)?.value
    },
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 1000) {
        state.passedMs += 1000
        t.mock.timers.tick(1000)
        await nextTurn()
      }
    },
  }
}

for (const machineAheadMs of [0, 40 * 60_000, 2 * hourMs, -2 * hourMs]) {
  test(`the time is the database's on a machine that is ${machineAheadMs / 60_000} minutes ahead, which is told once`, async (t) => {
    const { aheadMs, logged, pass, skew } = await start(t, { machineAheadMs })
    assert.equal(aheadMs(), 0)
    await pass(300_000)
    assert.equal(aheadMs(), 0)
    assert.deepEqual(logged(), machineAheadMs === 0 ? [] : [`warn machine ${machineAheadMs / 1000}`])
    assert.equal(await skew('machine'), machineAheadMs / 1000)
  })
}

test('a machine whose clock is set changes nothing, is told of, and is told of again when it is right', async (t) => {
  const { aheadMs, state, logged, pass } = await start(t)
  state.machineAheadMs = -2 * hourMs
  assert.equal(aheadMs(), 0)
  await pass(1000)
  assert.equal(aheadMs(), 0)
  assert.deepEqual(logged(), ['warn machine -7200'])
  state.machineAheadMs = 0
  await pass(61_000)
  assert.deepEqual(logged(), ['info machine 0'])
  assert.equal(aheadMs(), 0)
})

test('a machine that has slept has the right time a second after it woke', async (t) => {
  const { aheadMs, state, pass } = await start(t)
  // The steady clock does not count it.
  state.machineAheadMs = hourMs
  state.databaseAheadMs = hourMs
  assert.equal(aheadMs(), 0)
  await pass(1000)
  assert.equal(aheadMs(), hourMs)
})

test('where the database is set, time goes on by it within a minute, and what measures durations does not notice', async (t) => {
  const { clock, aheadMs, state, pass, logged } = await start(t)
  const steadyMs = clock.steadyMs()
  state.databaseAheadMs = -2 * hourMs
  await pass(61_000)
  assert.equal(aheadMs(), -2 * hourMs)
  assert.equal(clock.steadyMs() - steadyMs, 61_000)
  assert.deepEqual(logged(), ['warn database -7200', 'warn machine 7200'])
})

test('what an answer that took long says within its error changes nothing, and of one of over 2 s nothing is believed', async (t) => {
  const { aheadMs, state, pass } = await start(t)
  state.answerMs = 400
  state.databaseAheadMs = 150
  await pass(61_000)
  assert.equal(aheadMs(), 0)
  state.databaseAheadMs = hourMs
  state.answerMs = 2100
  await pass(61_000)
  assert.equal(aheadMs(), 0)
})

test('while the database is away time goes on, it is asked once a minute, and right when it is back', async (t) => {
  const { aheadMs, state, pass } = await start(t)
  state.isAway = true
  state.asked = 0
  await pass(600_000)
  assert.equal(aheadMs(), 0)
  assert.ok(state.asked <= 10, `${state.asked} times`)
  state.isAway = false
  state.databaseAheadMs = 5000
  await pass(61_000)
  assert.equal(aheadMs(), 5000)
})

test('a source whose clock differs by more than 5 s is told of once for each change, at most once a minute', async (t) => {
  const { clock, logged, pass, skew } = await start(t)
  clock.heardSource(clock.now() - 4000)
  assert.deepEqual(logged(), [])
  for (let answers = 0; answers < 3; answers++) clock.heardSource(clock.now() - 2_400_000)
  assert.deepEqual(logged(), ['warn source -2400'])
  assert.equal(await skew('source'), -2400)
  clock.heardSource(clock.now())
  assert.deepEqual(logged(), [])
  await pass(60_000)
  clock.heardSource(clock.now())
  assert.deepEqual(logged(), ['info source 0'])
})

test('what a clock can not be asked for at the start is no start', async (t) => {
  const registry = new Registry()
  const log = { info: () => {}, warn: () => {} }
  const clock = new TrustedClock({ ask: () => Promise.reject(new Error('away')), log, registry })
  t.after(() => clock.stop())
  await assert.rejects(clock.start(), /away/)
})
