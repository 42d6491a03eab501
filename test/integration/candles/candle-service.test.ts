import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { CandleRequest, CandleSeries } from '../../../src/domain/candle.ts'
import { FinstageError, symbolNotFound } from '../../../src/domain/errors.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { ask, candleSetting, requestOf, type Setting } from '../../support/candles/candle-setting.ts'
import type { Model } from '../../support/candles/model-market.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const at = (iso: string): number => Date.parse(iso) / 1000
const today = at('2025-03-12T00:00:00Z') / daySeconds

const model: Model = {
  ...{ timezone: 'America/New_York', opens: 34_200, closes: 57_600 },
  ...{ firstDay: today - 300, lastDay: today + 60, holidays: new Set(), halfDays: new Set() },
  ...{ splits: [], dividends: [], delaySeconds: 0, seed: 7 },
}
const unavailable = new FinstageError('SOURCE_UNAVAILABLE', 'The source is away')

const setting = (now: string, changes: Partial<Model> = {}): Setting =>
  candleSetting(pool, { ...model, ...changes }, now)

let symbols = 0
const newSymbol = (): string => `C${symbols++}`

const codeOf = (error: unknown): string => (error instanceof FinstageError ? error.code : String(error))
const refused = (set: Setting, request: CandleRequest): Promise<string> =>
  ask(set, request).then(() => 'answered', codeOf)

test('30 who ask for the same new series at once cost one upstream request', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const request = requestOf(newSymbol())
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(set, request)))
  assert.equal(set.calls.length, 1)
  for (const answer of answers) assert.deepEqual(answer, answers[0])
})

for (const [interval, time, seconds] of [
  ['MINUTE_1', '2025-03-12T15:00:00Z', 5],
  ['MINUTE_2', '2025-03-12T15:00:00Z', 10],
  ['HOUR_1', '2025-03-12T15:00:00Z', 15],
  ['DAY_1', '2025-03-12T15:00:00Z', 15],
  ['DAY_1', '2025-03-12T20:29:00Z', 15],
  ['DAY_1', '2025-03-12T22:00:00Z', 300],
  ['MINUTE_1', '2025-03-15T12:00:00Z', 300],
] as const) {
  test(`the open end of ${interval} at ${time} is asked for again after ${seconds} s, and not before`, async () => {
    const set = setting(time)
    const request = requestOf(newSymbol(), { interval })
    await ask(set, request)
    set.now += seconds - 1
    await ask(set, request)
    assert.equal(set.calls.length, 1)
    set.now += 1
    await ask(set, request)
    assert.equal(set.calls.length, 2)
  })
}

test('a bar of today is asked for again until its session has ended half an hour ago, and is then final', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  const opening = at('2025-03-12T13:30:00Z')
  const request = requestOf(symbol, { interval: 'MINUTE_15', from: opening, to: opening + 900, last: null, earlier: 0 })
  for (const [time, calls] of [
    ['2025-03-12T15:00:00Z', 1],
    ['2025-03-12T19:59:00Z', 2],
    ['2025-03-12T20:29:00Z', 3],
    ['2025-03-12T20:35:00Z', 4],
    ['2025-03-12T21:00:00Z', 4],
  ] as const) {
    set.now = at(time)
    assert.equal((await ask(set, request)).nodes.length, 1)
    assert.equal(set.calls.length, calls, time)
  }
})

test('during an outage what is stored comes as stale, with the time when it was had; what is not stored is an error', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  const before = await ask(set, requestOf(symbol))
  set.now += 3600
  set.fails = unavailable
  const during = await ask(set, requestOf(symbol))
  assert.deepEqual(during, { ...before, stale: true, failure: unavailable })
  assert.equal(await refused(set, requestOf(symbol, { interval: 'HOUR_1' })), 'SOURCE_UNAVAILABLE')
  set.fails = null
  set.now += 1
  const afterwards = await ask(set, requestOf(symbol))
  assert.equal(afterwards.stale, false)
  assert.equal(afterwards.receivedAtMs, set.now * 1000)
})

test('what is stored does not fail for want of the candles before it, whatever it is adjusted for', async () => {
  const adjustments = ['NONE', 'SPLITS', 'SPLITS_AND_DIVIDENDS'] as const
  const ranges = [
    ['DAY_1', 20],
    ['WEEK_1', 4],
    ['HOUR_1', 30],
  ] as const
  for (const adjustment of adjustments) {
    for (const [interval, last] of ranges) {
      for (const failure of [unavailable, symbolNotFound('gone')]) {
        const set = setting('2025-03-12T22:00:00Z')
        const request = requestOf(newSymbol(), { interval, last, adjustment })
        const before = await ask(set, request)
        assert.equal(before.nodes.length, last)
        set.fails = failure
        const { nodes, earlier, stale } = await ask(set, { ...request, earlier: 150 })
        assert.deepEqual([nodes, stale], [before.nodes, true], `${adjustment} ${interval} ${failure.code}`)
        assert.ok(earlier.every(({ epoch }) => epoch < (nodes[0]?.epoch ?? 0)))
      }
    }
  }
})

test('a running candle that cannot be asked for any more stays open, whatever the clock says', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  await ask(set, requestOf(symbol))
  set.now += 3 * daySeconds
  set.fails = unavailable
  for (const interval of ['DAY_1', 'WEEK_1'] as const) {
    const { nodes, stale } = await ask(set, requestOf(symbol, { interval, last: 2 }))
    assert.equal(stale, true)
    assert.deepEqual(
      nodes.map(({ closed }) => closed),
      [true, false],
      interval,
    )
  }
})

test('a symbol that the source no longer knows keeps its history, as stale, and is asked for once a minute', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  const before = await ask(set, requestOf(symbol))
  set.now += 30 * daySeconds
  set.fails = symbolNotFound(symbol)
  const calls = set.calls.length
  for (let i = 0; i < 5; i++) {
    const { nodes, stale } = await ask(set, requestOf(symbol, { from: before.nodes[0]?.epoch ?? 0, last: null }))
    assert.equal(stale, true)
    assert.deepEqual(nodes, before.nodes)
  }
  assert.equal(set.calls.length, calls + 1)
  set.now += 60
  await ask(set, requestOf(symbol, { from: before.nodes[0]?.epoch ?? 0, last: null }))
  assert.equal(set.calls.length, calls + 2)
})

test('a symbol that nobody knows is SYMBOL_NOT_FOUND, and is asked for once a minute', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  set.fails = symbolNotFound(symbol)
  for (let i = 0; i < 5; i++) assert.equal(await refused(set, requestOf(symbol)), 'SYMBOL_NOT_FOUND')
  assert.equal(set.calls.length, 1)
})

test('minutes of which the source has lost sight come from the store; a hole there is RANGE_NOT_AVAILABLE, and cuts `last`', async () => {
  const set = setting('2025-01-10T22:00:00Z')
  const symbol = newSymbol()
  const span = (from: string, to: string | null) =>
    requestOf(symbol, {
      interval: 'MINUTE_15',
      from: at(from),
      to: to === null ? null : at(to),
      last: null,
      earlier: 0,
    })
  const january = await ask(set, span('2025-01-06T00:00:00Z', null))
  assert.equal(january.nodes.length, 5 * 26 - january.excluded)
  // Now the source goes back to February 21 only.
  set.now = at('2025-04-22T22:00:00Z')
  const calls = set.calls.length
  assert.deepEqual((await ask(set, span('2025-01-06T00:00:00Z', '2025-01-10T00:00:00Z'))).nodes.length > 90, true)
  await assert.rejects(ask(set, span('2025-01-06T00:00:00Z', '2025-02-01T00:00:00Z')), (error: unknown) => {
    assert.ok(error instanceof FinstageError)
    assert.deepEqual([error.code, error.details.reachDays], ['RANGE_NOT_AVAILABLE', 60])
    return true
  })
  const days = set.calls.slice(calls).map(({ interval }) => interval)
  assert.deepEqual(days, ['DAY_1'], 'only the look for splits left the house')
  const { nodes, hasEarlier } = await ask(set, requestOf(symbol, { interval: 'MINUTE_15', last: 5000 }))
  assert.ok((nodes[0]?.epoch ?? 0) >= at('2025-02-21T00:00:00Z'))
  assert.equal(hasEarlier, false)
})

test('a split that is told together with the open end gives old and new candles on one footing, in the same answer', async () => {
  const set = setting('2025-03-10T15:00:00Z', { splits: [{ day: today, ratio: 4 }] })
  const symbol = newSymbol()
  const before = await ask(set, requestOf(symbol))
  set.now = at('2025-03-12T15:00:00Z')
  const answer = await ask(set, requestOf(symbol))
  const old = answer.nodes.find(({ epoch }) => epoch === before.nodes[5]?.epoch)
  assert.equal(old?.close, (before.nodes[5]?.close ?? 0) / 4)
  assert.equal(answer.nodes.length, 20)
  const traded = await ask(set, requestOf(symbol, { adjustment: 'NONE' }))
  assert.equal(traded.nodes.find(({ epoch }) => epoch === old.epoch)?.close, before.nodes[5]?.close)
})

test('candles in another currency are never put beside those that are stored; when three answers agree, they replace them', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  const before = await ask(set, requestOf(symbol))
  set.change = (batch) => ({
    ...batch,
    candles: batch.candles.map((candle) => ({ ...candle, ...{ open: 1, high: 1, low: 1, close: 1 } })),
    facts: batch.facts && { ...batch.facts, currency: 'GBP' },
  })
  for (let i = 0; i < 3; i++) {
    set.now += 20
    const answer = await ask(set, requestOf(symbol)).catch(codeOf)
    if (i === 2) assert.equal(answer, 'SOURCE_UNAVAILABLE')
    else assert.deepEqual({ ...(answer as CandleSeries), failure: null }, { ...before, stale: true })
  }
  set.now += 20
  const changed = await ask(set, requestOf(symbol))
  assert.ok(changed.nodes.every(({ close }) => close === 1))
  assert.equal(changed.nodes.length, before.nodes.length)
  assert.match(await set.registry.metrics(), /finstage_quarantined_total\{reason="currency changed"\} 2/)
})

test('dividends and splits of a range come from the days that were fetched, and during an outage only where they are known', async () => {
  const actions = { splits: [{ day: today - 30, ratio: 2 }], dividends: [{ day: today - 8, share: 0.01 }] }
  const set = setting('2025-03-12T15:00:00Z', actions)
  const symbol = newSymbol()
  const of = (from: number | null, to: number | null) => set.service.actions(symbol, from, to)
  const epoch = (action: { day: number }) => action.day * daySeconds
  const recent = await of((today - 20) * daySeconds, null)
  assert.deepEqual(recent, {
    dividends: [{ epoch: (today - 8) * daySeconds, amount: 0.01, currency: null }],
    splits: [],
  })
  set.fails = unavailable
  assert.deepEqual(await of((today - 20) * daySeconds, null), recent)
  await assert.rejects(of(null, null), unavailable)
  set.fails = null
  set.now += 1
  assert.deepEqual((await of(null, null)).splits.map(epoch2), actions.splits.map(epoch))
  assert.deepEqual(await of((today + 90) * daySeconds, null), { dividends: [], splits: [] })
})

test('a call that takes a while does not make the next ones fetch over and over', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const request = requestOf(newSymbol(), { interval: 'MINUTE_15', last: 50 })
  await ask(set, request)
  set.now += daySeconds
  set.slow = 1.2
  await ask(set, request)
  set.slow = 0
  const calls = set.calls.length
  for (let i = 0; i < 56; i++) {
    set.now += 0.5
    await ask(set, request)
  }
  assert.equal(set.calls.length, calls + 1, 'in 28 s, once its lifetime of 15 s was over')
})

test('an answer that had to wait for the days of its adjustment is as new as any other', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  set.slow = 2.5
  await ask(set, requestOf(symbol, { interval: 'MINUTE_15', adjustment: 'NONE' }))
  set.slow = 0
  const calls = set.calls.length
  await ask(set, requestOf(symbol, { interval: 'MINUTE_15' }))
  assert.equal(set.calls.length, calls)
})

test('two who ask for other ends in turn do not make each other fetch again', async () => {
  const set = setting('2025-03-12T18:00:00Z')
  const symbol = newSymbol()
  for (let i = 0; i < 5; i++) {
    await ask(set, requestOf(symbol, { interval: 'MINUTE_1', to: at('2025-03-12T16:00:00Z') }))
    await ask(set, requestOf(symbol, { interval: 'MINUTE_1' }))
  }
  assert.equal(set.calls.length, 2)
})

test('an answer from before a split that comes in after the split was seen is not kept', async () => {
  const set = setting('2025-03-11T15:00:00Z', { splits: [{ day: today, ratio: 4 }] })
  const symbol = newSymbol()
  await ask(set, requestOf(symbol))
  set.now = at('2025-03-12T13:29:58Z')
  const held = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  set.hold = async ({ interval }) => {
    if (interval !== 'MINUTE_15') return
    asked.resolve()
    await held.promise
  }
  const hour = { from: at('2025-03-11T15:00:00Z'), to: at('2025-03-11T16:00:00Z'), last: null }
  const waiting = ask(set, requestOf(symbol, { interval: 'MINUTE_15', ...hour }))
  await asked.promise
  set.now += 3
  await ask(set, requestOf(symbol))
  set.hold = async () => {}
  held.resolve()
  const answer = await waiting
  set.now = at('2025-03-20T15:00:00Z')
  const later = await ask(set, requestOf(symbol, { interval: 'MINUTE_15', ...hour }))
  const right = await ask(set, requestOf(newSymbol(), { interval: 'MINUTE_15', ...hour }))
  assert.deepEqual([answer.nodes, later.nodes], [right.nodes, right.nodes])
})

test('a late answer of one process changes nothing that another has stored for good since', async () => {
  const set = setting('2025-03-12T20:29:00Z')
  const symbol = newSymbol()
  const held = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  set.hold = () => {
    asked.resolve()
    return held.promise
  }
  set.change = (batch) => ({ ...batch, candles: batch.candles.map((candle) => ({ ...candle, close: candle.low })) })
  const late = ask(set, requestOf(symbol))
  await asked.promise
  set.now = at('2025-03-12T20:31:00Z')
  const right = await ask(set.another(), requestOf(symbol))
  held.resolve()
  await late
  assert.deepEqual((await ask(set.another(), requestOf(symbol))).nodes, right.nodes)
})

test("a dividend is seen with the first request after the opening, by the exchange's clock, whatever the range", async () => {
  // The session that the source states is one of summer, the dividend one of winter.
  const set = setting('2025-01-09T22:00:00Z', {
    dividends: [{ day: at('2025-01-10T00:00:00Z') / daySeconds, share: 0.2 }],
  })
  const past = { from: at('2024-12-02T00:00:00Z'), to: at('2025-01-09T00:00:00Z'), last: null }
  const request = requestOf(newSymbol(), { ...past, adjustment: 'SPLITS_AND_DIVIDENDS' })
  const before = await ask(set, request)
  set.now = at('2025-01-10T14:00:00Z')
  assert.deepEqual((await ask(set, request)).nodes, before.nodes)
  set.now = at('2025-01-10T14:30:00Z')
  const { nodes } = await ask(set, request)
  assert.ok(Math.abs((nodes[0]?.close ?? 0) / (before.nodes[0]?.close ?? 0) - 0.8) < 1e-9)
})

test('on the day of a split the running session is whole as soon as the split has been seen', async () => {
  const set = setting('2025-03-12T13:29:52Z', { splits: [{ day: today, ratio: 4 }] })
  const request = requestOf(newSymbol(), { interval: 'MINUTE_15', last: 100 })
  await ask(set, request)
  set.now += 10
  const { nodes, stale } = await ask(set, request)
  assert.equal(stale, false)
  assert.equal(nodes.at(-1)?.epoch, at('2025-03-12T13:30:00Z'))
})

test('20 who wait for a source that fails share its failure, instead of failing one after the other', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const request = requestOf(newSymbol())
  await ask(set, request)
  set.now += 3600
  set.fails = unavailable
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(set, request)))
  assert.ok(answers.every(({ stale }) => stale))
  assert.equal(set.calls.length, 2)
})

test('a range of which it is known that it has no candles is an answer during an outage too', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  const weekend = requestOf(symbol, {
    ...{ from: at('2025-03-08T00:00:00Z'), to: at('2025-03-10T00:00:00Z'), last: null, earlier: 0 },
  })
  await ask(set, weekend)
  set.now += 3 * daySeconds
  set.fails = unavailable
  assert.deepEqual((await ask(set, weekend)).nodes, [])
  assert.deepEqual(await set.service.actions(symbol, weekend.from, weekend.to), { dividends: [], splits: [] })
})

test('an interval that the source has nothing of takes no other with it', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  set.hold = async ({ interval }) => {
    if (interval === 'MINUTE_1') throw symbolNotFound(symbol)
  }
  assert.equal(await refused(set, requestOf(symbol, { interval: 'MINUTE_1' })), 'SYMBOL_NOT_FOUND')
  assert.equal((await ask(set, requestOf(symbol))).nodes.length, 20)
})

test('a Friday whose own day is missing is adjusted alike in a range that ends with it and in one that goes on', async () => {
  const friday = at('2025-03-07T00:00:00Z')
  const set = setting('2025-03-12T15:00:00Z', { dividends: [{ day: friday / daySeconds + 3, share: 0.2 }] })
  set.change = (batch) => ({
    ...batch,
    candles: batch.candles.filter(({ epoch }) => epoch !== friday),
    excluded: batch.excluded.filter((epoch) => epoch !== friday),
  })
  const closes = async (to: number) => {
    const range = { interval: 'MINUTE_15', from: friday, to, last: null, adjustment: 'SPLITS_AND_DIVIDENDS' } as const
    const { nodes } = await ask(set, requestOf(newSymbol(), range))
    return nodes.filter(({ epoch }) => epoch < friday + daySeconds).map(({ close }) => close)
  }
  assert.deepEqual(await closes(friday + daySeconds), await closes(friday + 5 * daySeconds))
})

test('of a range that lies ahead it is told whether there is anything before it', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  for (const from of ['2025-03-14T00:00:00Z', '2100-01-01T00:00:00Z']) {
    const { nodes, hasEarlier } = await ask(set, requestOf(symbol, { from: at(from), last: null }))
    assert.deepEqual([nodes, hasEarlier], [[], true])
  }
})

const epoch2 = ({ epoch }: { epoch: number }): number => epoch

test('prices as traded go back as far as all others', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  for (const interval of ['DAY_1', 'WEEK_1', 'MONTH_1'] as const) {
    for (const changes of [{ last: 1000 }, { from: at('1900-01-01T00:00:00Z'), last: null }]) {
      const request = requestOf(symbol, { interval, ...changes })
      const adjusted = await ask(set, request)
      const asTraded = await ask(set, { ...request, adjustment: 'NONE' })
      assert.deepEqual([asTraded.nodes, asTraded.hasEarlier], [adjusted.nodes, false], interval)
    }
  }
})

test('a series says by which clock its sessions open and close, whatever its interval is made of', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  const symbol = newSymbol()
  for (const interval of ['DAY_1', 'MONTH_1', 'MINUTE_30'] as const) {
    const { sessions } = await ask(set, requestOf(symbol, { interval, last: 5, earlier: 0 }))
    const { opens, closes } = sessions
    assert.equal(sessions.timezone, 'America/New_York', interval)
    const clock = (epoch: number | null) =>
      new Date((epoch ?? 0) * 1000).toLocaleTimeString('en-GB', { timeZone: sessions.timezone })
    assert.deepEqual([clock(opens), clock(closes)], ['09:30:00', '16:00:00'], interval)
  }
})

test('a source that takes longer than its newest candles live is asked once by who asks once, and the answer is no stale one', async () => {
  const set = setting('2025-03-12T15:00:00Z')
  set.slow = 60
  const { stale, nodes } = await ask(set, requestOf(newSymbol(), { interval: 'MINUTE_1' }))
  assert.deepEqual([set.calls.length, stale, nodes.length], [1, false, 20])
})
