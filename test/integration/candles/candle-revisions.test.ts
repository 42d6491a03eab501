import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { CandleRequest } from '../../../src/domain/candle.ts'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { Interval } from '../../../src/domain/time/interval.ts'
import { CallBudget, callerWith } from '../../../src/market/call-budget.ts'
import type { CandleBatch } from '../../../src/market/source.ts'
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
const dayOf = (date: string): number => at(date) / daySeconds
const isoOf = (epoch: number): string => new Date(epoch * 1000).toISOString().slice(0, 16)

/** All days of November are usable; 2026-11-26 is a holiday. */
const model: Model = {
  ...{ timezone: 'America/New_York', opens: 34_200, closes: 57_600 },
  ...{ firstDay: dayOf('2026-06-01'), lastDay: dayOf('2027-03-01'), halfDays: new Set() },
  ...{ holidays: new Set([dayOf('2026-11-26')]), splits: [], dividends: [], delaySeconds: 0, seed: 6 },
}
const setting = (now: string, changes: Partial<Model> = {}): Setting =>
  candleSetting(pool, { ...model, ...changes }, now)

let symbols = 0
const newSymbol = (): string => `R${symbols++}`

type Change = (batch: CandleBatch) => CandleBatch

const unchanged: Change = (batch) => batch
const without =
  (...epochs: number[]): Change =>
  (batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => !epochs.includes(epoch)) })
/** As a source answers of rows of five nulls, and of rows that are rejected. */
const excluding =
  (...epochs: number[]): Change =>
  (batch) => ({
    ...without(...epochs)(batch),
    excluded: batch.candles.map(({ epoch }) => epoch).filter((epoch) => epochs.includes(epoch)),
  })
const withVolume =
  (volume: number, ...epochs: number[]): Change =>
  (batch) => ({
    ...batch,
    candles: batch.candles.map((candle) => (epochs.includes(candle.epoch) ? { ...candle, volume } : candle)),
  })
const withClose =
  (close: number, ...epochs: number[]): Change =>
  (batch) => ({
    ...batch,
    candles: batch.candles.map((candle) =>
      epochs.includes(candle.epoch) ? { ...candle, open: close, high: close, low: close, close } : candle,
    ),
  })

const faults: Readonly<Record<string, (...epochs: number[]) => Change>> = {
  missing: without,
  'sent without prices': excluding,
  'sent with another volume': (...epochs) => withVolume(1, ...epochs),
  'sent with other prices': (...epochs) => withClose(1, ...epochs),
}

const rangeOf = (symbol: string, interval: Interval, from: string, to: string | null): CandleRequest =>
  requestOf(symbol, { interval, from: at(from), to: to === null ? null : at(to), last: null, earlier: 0 })

/** The right answer: what somebody gets who has never asked before, from a source without faults. */
const fresh = async (set: Setting, request: CandleRequest) => {
  const { nodes, excluded } = await ask(set.another(), { ...request, symbol: newSymbol() })
  return { nodes, excluded }
}

const callsOf = (set: Setting, interval: string): number =>
  set.calls.filter((call) => call.interval === interval).length

for (const [fault, faulty] of Object.entries(faults)) {
  test(`a day ${fault} when it was first asked for is right one, three or eight days later, and so are its week and month`, async () => {
    for (const days of [1, 3, 8]) {
      for (const hole of ['2026-11-20', '2026-11-25']) {
        const set = setting('2026-11-25T22:00:00Z')
        const symbol = newSymbol()
        const range = rangeOf(symbol, 'DAY_1', '2026-11-16', '2026-11-26')
        set.change = faulty(at(hole))
        const before = await ask(set, range)
        assert.notDeepEqual(before.nodes, (await fresh(set, range)).nodes)
        set.change = unchanged
        set.now += days * daySeconds
        assert.equal((await ask(set, range)).nodes.length, 8)
        assert.equal(set.calls.length, 2, 'only the daily look for splits and dividends')
        for (const interval of ['DAY_1', 'WEEK_1', 'MONTH_1'] as const) {
          const request = { ...range, interval, from: at('2026-11-01'), to: at('2026-11-30') }
          const { nodes, excluded, stale } = await ask(set, request)
          const right = await fresh(set, request)
          assert.deepEqual({ nodes, excluded }, right, `${interval}, ${hole}, after ${days} days`)
          assert.deepEqual([excluded, stale], [0, false])
        }
      }
    }
  })

  for (const interval of ['MINUTE_1', 'MINUTE_5', 'MINUTE_15', 'MINUTE_30', 'HOUR_1'] as const) {
    test(`a candle of ${interval} ${fault} when it was first asked for is right one, three or eight days later, for one call`, async () => {
      for (const days of [1, 3, 8]) {
        const set = setting('2026-11-25T22:00:00Z')
        const range = rangeOf(newSymbol(), interval, '2026-11-24T14:30:00Z', '2026-11-25T21:00:00Z')
        set.change = faulty(at('2026-11-24T15:30:00Z'), at('2026-11-25T20:30:00Z'))
        const before = await ask(set, range)
        set.change = unchanged
        const right = await fresh(set, range)
        assert.notDeepEqual(before.nodes, right.nodes)
        set.now += days * daySeconds
        const { nodes, excluded, stale } = await ask(set, range)
        assert.deepEqual({ nodes, excluded, stale }, { ...right, stale: false }, `after ${days} days`)
        const source = interval === 'MINUTE_30' ? 'MINUTE_15' : interval
        assert.equal(callsOf(set, source), 2)
        assert.equal(set.calls.length, 3, 'and the look for splits and dividends')
      }
    })
  }
}

test('what the source mends after the first day is right on the third, and what it mends after the third on the eighth', async () => {
  for (const [interval, to, hole] of [
    ['DAY_1', '2026-11-26', '2026-11-25'],
    ['MINUTE_15', '2026-11-25T21:00:00Z', '2026-11-25T15:30:00Z'],
  ] as const) {
    for (const [mended, right] of [
      ['2026-11-27', '2026-11-28'],
      ['2026-11-29', '2026-12-03'],
    ] as const) {
      const set = setting('2026-11-25T22:00:00Z')
      const range = rangeOf(newSymbol(), interval, '2026-11-25', to)
      for (let date = at('2026-11-25'); date <= at(right); date += daySeconds) {
        set.now = date + 22 * 3600
        set.change = date < at(mended) ? without(at(hole)) : unchanged
        const { nodes } = await ask(set, range)
        const isThere = nodes.some(({ epoch }) => epoch === at(hole))
        if (date < at(mended) || date === at(right)) assert.equal(isThere, date === at(right), `${interval} ${right}`)
      }
    }
  }
})

test('a backfill mends what was missing when it was first asked for', async () => {
  for (const interval of ['DAY_1', 'WEEK_1', 'MINUTE_5', 'MINUTE_30'] as const) {
    const set = setting('2026-11-25T22:00:00Z')
    const symbol = newSymbol()
    const range = rangeOf(symbol, interval, '2026-11-16', '2026-11-26')
    const hole = interval === 'DAY_1' || interval === 'WEEK_1' ? '2026-11-20' : '2026-11-20T15:30:00Z'
    set.change = without(at(hole))
    const { count } = await set.service.backfill(symbol, interval, at('2026-11-16'), at('2026-11-26'))
    set.change = unchanged
    set.now += 3 * daySeconds
    const extent = await set.service.backfill(symbol, interval, at('2026-11-16'), at('2026-11-26'))
    assert.equal(extent.count, count + 1)
    const calls = set.calls.length
    const right = await fresh(set, range)
    const { nodes, excluded } = await ask(set, range)
    assert.deepEqual({ nodes, excluded }, right)
    if (interval === 'DAY_1' || interval === 'MINUTE_5') assert.equal(set.calls.length, calls, interval)
  }
})

test('a holiday that is asked for on each of twenty days costs four calls of minutes, and of days none but the daily look', async () => {
  const set = setting('2026-11-26T22:00:00Z')
  const symbol = newSymbol()
  for (let day = 0; day < 20; day++) {
    for (const interval of ['MINUTE_15', 'HOUR_1', 'DAY_1'] as const) {
      await ask(set, { ...rangeOf(symbol, interval, '2026-11-26', '2026-11-27'), adjustment: 'NONE' })
    }
    set.now += daySeconds
  }
  for (const interval of ['MINUTE_15', 'HOUR_1']) {
    const times = set.calls.filter((call) => call.interval === interval).map(({ at: time }) => isoOf(time))
    assert.deepEqual(times, ['2026-11-26T22:00', '2026-11-27T22:00', '2026-11-29T22:00', '2026-12-04T22:00'])
  }
  assert.equal(callsOf(set, 'DAY_1'), 20)
})

test('who asks every day for the newest candles costs one call of each interval a day, as without revisions', async () => {
  const set = setting('2026-11-16T22:00:00Z')
  const symbol = newSymbol()
  for (let day = 0; day < 20; day++) {
    for (const interval of ['MINUTE_5', 'MINUTE_30', 'HOUR_1', 'DAY_1', 'WEEK_1'] as const) {
      await ask(set, requestOf(symbol, { interval, last: 10 }))
    }
    set.now += daySeconds
  }
  for (const interval of ['MINUTE_5', 'MINUTE_15', 'HOUR_1'] as const) {
    assert.equal(callsOf(set, interval), 20, interval)
  }
  assert.equal(callsOf(set, 'DAY_1'), 21, 'the first weeks go back further')
})

test('old history is not asked for again, whatever is missing there', async () => {
  for (const interval of ['DAY_1', 'MINUTE_15'] as const) {
    const set = setting('2026-11-25T22:00:00Z')
    const range = rangeOf(newSymbol(), interval, '2026-10-01', null)
    set.change = without(at(interval === 'DAY_1' ? '2026-10-07' : '2026-10-07T15:30:00Z'))
    await ask(set, range)
    const calls = set.calls.length
    for (let day = 0; day < 20; day++) {
      set.now += daySeconds
      await ask(set, range)
      await ask(set, { ...range, to: at('2026-11-01') })
    }
    for (const { from, at: time } of set.calls.slice(calls)) {
      assert.ok(from >= time - 10 * daySeconds, `${isoOf(from)} on ${isoOf(time)}`)
    }
    assert.ok(set.calls.length <= calls + 40)
  }
})

test('a series that was not asked for in a while costs one call, and what was unsettled then is right now', async () => {
  for (const interval of ['MINUTE_1', 'MINUTE_15', 'HOUR_1', 'DAY_1'] as const) {
    for (const pause of [5, 20, 45]) {
      const set = setting('2026-11-25T22:00:00Z')
      const symbol = newSymbol()
      const last = requestOf(symbol, { interval, last: 5 })
      await ask(set, last)
      const old = rangeOf(symbol, interval, '2026-11-02', '2026-11-04')
      await ask(set, old)
      set.now += pause * daySeconds
      const calls = callsOf(set, interval)
      const right = await fresh(set, last)
      for (let i = 0; i < 3; i++) assert.deepEqual((await ask(set, last)).nodes, right.nodes)
      assert.equal(callsOf(set, interval), calls + 1, `${interval}, after ${pause} days`)
    }
  }
})

test('a series of which only old history is stored is asked for its newest candles once', async () => {
  const set = setting('2026-11-25T22:00:00Z')
  const symbol = newSymbol()
  await ask(set, rangeOf(symbol, 'HOUR_1', '2026-09-01', '2026-09-30'))
  set.now += 5 * daySeconds
  for (let i = 0; i < 3; i++) await ask(set, requestOf(symbol, { interval: 'HOUR_1', last: 5 }))
  assert.equal(callsOf(set, 'HOUR_1'), 2)
})

test('the same range is left alone once it is settled', async () => {
  const set = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-23', '2026-11-26')
  for (let day = 0; day < 10; day++) {
    await ask(set, range)
    set.now += daySeconds
  }
  const calls = callsOf(set, 'MINUTE_15')
  for (let day = 0; day < 20; day++) {
    await ask(set, range)
    set.now += daySeconds
  }
  assert.equal(callsOf(set, 'MINUTE_15'), calls)
})

test('candles that the source no longer reaches stay, and are not asked for again', async () => {
  const set = setting('2026-10-23T22:00:00Z')
  const symbol = newSymbol()
  const range = rangeOf(symbol, 'MINUTE_1', '2026-10-19T13:30:00Z', '2026-10-23T20:00:00Z')
  const before = await ask(set, range)
  set.now = at('2026-11-20T15:00:00Z')
  // Half of the range is out of reach.
  const half = await ask(set, range)
  assert.deepEqual(half.nodes, before.nodes)
  assert.deepEqual(
    set.calls.filter(({ interval }) => interval === 'MINUTE_1').map(({ from }) => isoOf(from)),
    ['2026-10-19T13:30', '2026-10-21T15:01'],
  )
  set.now = at('2026-12-15T15:00:00Z')
  const { nodes, excluded, stale } = await ask(set, range)
  assert.deepEqual([nodes, excluded, stale], [before.nodes, before.excluded, false])
  assert.equal(callsOf(set, 'MINUTE_1'), 2)
})

test('an answer that is cut, empty, has a hole or a row without prices loses no candle that is stored; what it changes is replaced', async () => {
  for (const interval of ['DAY_1', 'MINUTE_15'] as const) {
    const epochOf = (date: string) => at(interval === 'DAY_1' ? date : `${date}T15:30:00Z`)
    const [changed, hole] = [epochOf('2026-11-20'), epochOf('2026-11-23')]
    const cuts: Readonly<Record<string, Change>> = {
      'the end': (batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => epoch < hole) }),
      'the beginning': (batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => epoch > hole) }),
      all: (batch) => ({ ...batch, candles: [], excluded: [] }),
      one: without(hole),
      'the prices of one': (batch) => ({ ...without(hole)(batch), excluded: [...batch.excluded, hole] }),
    }
    for (const [cut, change] of Object.entries(cuts)) {
      const set = setting('2026-11-25T22:00:00Z')
      const range = rangeOf(newSymbol(), interval, '2026-11-17', '2026-11-26')
      const before = await ask(set, range)
      set.now += daySeconds
      set.change = change
      const { nodes, excluded } = await ask(set, range)
      assert.deepEqual([nodes, excluded], [before.nodes, before.excluded], `${interval}, without ${cut}`)
    }
    const set = setting('2026-11-25T22:00:00Z')
    const range = rangeOf(newSymbol(), interval, '2026-11-17', '2026-11-26')
    const before = await ask(set, range)
    set.now += daySeconds
    set.change = withClose(1, changed)
    const after = await ask(set, range)
    assert.equal(after.nodes.length, before.nodes.length)
    assert.equal(after.nodes.find(({ epoch }) => epoch === changed)?.close, 1)
  }
})

test('a row without prices that the source no longer sends is not counted any more, unless the answer is cut', async () => {
  const set = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'DAY_1', '2026-11-16', '2026-11-26')
  const placeholder = at('2026-11-21')
  set.change = (batch) => ({ ...batch, excluded: [placeholder] })
  assert.equal((await ask(set, range)).excluded, 1)
  set.now += daySeconds
  set.change = (batch) => ({ ...batch, candles: batch.candles.filter(({ epoch }) => epoch < placeholder) })
  assert.equal((await ask(set, range)).excluded, 1)
  set.now += daySeconds
  set.change = unchanged
  assert.equal((await ask(set, range)).excluded, 0)
})

test('two processes on one database ask again once, or once each if they do so at the same time, and serve the same', async () => {
  const one = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-24', '2026-11-26')
  one.change = without(at('2026-11-24T15:30:00Z'))
  const other = one.another()
  await ask(one, range)
  const right = await fresh(one, range)
  one.change = unchanged
  one.now += daySeconds
  other.now += daySeconds
  assert.deepEqual((await ask(one, range)).nodes, right.nodes)
  assert.deepEqual((await ask(other, range)).nodes, right.nodes)
  assert.deepEqual([callsOf(one, 'MINUTE_15'), other.calls.length], [2, 0])
  one.now += 2 * daySeconds
  other.now += 2 * daySeconds
  const answers = await Promise.all([ask(one, range), ask(other, range)])
  assert.deepEqual(
    answers.map(({ nodes }) => nodes),
    [right.nodes, right.nodes],
  )
  assert.ok(callsOf(one, 'MINUTE_15') <= 3 && callsOf(other, 'MINUTE_15') <= 1)
})

test('an answer that comes in late changes nothing that a later one has changed, and is asked for again', async () => {
  const late = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-24', '2026-11-26')
  const before = await ask(late, range)
  const [held, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  late.now += daySeconds
  late.change = withClose(1, at('2026-11-24T15:30:00Z'))
  late.hold = async ({ interval }) => {
    if (interval !== 'MINUTE_15') return
    asked.resolve()
    await held.promise
    late.change = unchanged
  }
  const waiting = ask(late, range)
  await asked.promise
  const later = late.another()
  later.now += 2
  later.change = withVolume(7, at('2026-11-24T15:30:00Z'))
  await ask(later, range)
  held.resolve()
  late.now += 4
  await waiting
  const { nodes } = await ask(late.another(), range)
  const { close, volume } = nodes.find(({ epoch }) => epoch === at('2026-11-24T15:30:00Z')) ?? {}
  assert.equal(close, before.nodes.find(({ epoch }) => epoch === at('2026-11-24T15:30:00Z'))?.close)
  assert.equal(volume, 7)
})

test('candles that are asked for again after a split or a dividend are on one footing with all others', async () => {
  const day = dayOf('2026-11-27')
  const actions = { splits: [{ day, ratio: 4 }], dividends: [{ day: day + 3, share: 0.1 }] }
  for (const interval of ['DAY_1', 'MINUTE_15', 'HOUR_1'] as const) {
    for (const days of [2, 3, 6]) {
      for (const adjustment of ['SPLITS', 'NONE', 'SPLITS_AND_DIVIDENDS'] as const) {
        const set = setting('2026-11-25T22:00:00Z', actions)
        const range = { ...rangeOf(newSymbol(), interval, '2026-11-02', null), adjustment }
        set.change = without(at(interval === 'DAY_1' ? '2026-11-20' : '2026-11-20T15:30:00Z'))
        await ask(set, range)
        set.change = unchanged
        set.now += days * daySeconds
        const { nodes, excluded } = await ask(set, range)
        assert.deepEqual({ nodes, excluded }, await fresh(set, range), `${interval} ${adjustment}, after ${days} days`)
      }
    }
  }
})

test('a dividend or split that the source tells of days late is in all days before it', async () => {
  const day = dayOf('2026-11-19')
  for (const actions of [{ dividends: [{ day, share: 0.2 }] }, { splits: [{ day, ratio: 4 }] }]) {
    for (const [first, told] of [
      ['2026-11-18', '2026-11-20'],
      ['2026-11-20', '2026-11-25'],
      ['2026-11-23', '2026-11-25'],
    ] as const) {
      const set = setting(`${first}T22:00:00Z`, actions)
      const untold = candleSetting(pool, model, `${first}T22:00:00Z`)
      const range = {
        ...rangeOf(newSymbol(), 'DAY_1', '2026-10-01', null),
        adjustment: 'SPLITS_AND_DIVIDENDS',
      } as const
      await ask(untold, range)
      set.now = at(`${told}T22:00:00Z`)
      assert.deepEqual((await ask(set, range)).nodes, (await fresh(set, range)).nodes, `${first}, ${told}`)
    }
  }
})

test('while the source is out the stored candles come as stale, and are mended once it is back', async () => {
  const set = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-24', '2026-11-26')
  set.change = without(at('2026-11-24T15:30:00Z'))
  const before = await ask(set, range)
  set.change = unchanged
  set.now += daySeconds
  set.hold = async ({ interval }) => {
    if (interval === 'MINUTE_15') throw new FinstageError('SOURCE_UNAVAILABLE', 'The source is away')
  }
  const during = await ask(set, range)
  assert.deepEqual([during.nodes, during.stale], [before.nodes, true])
  set.hold = async () => {}
  set.now += 2
  const { nodes, stale } = await ask(set, range)
  assert.deepEqual([nodes, stale], [(await fresh(set, range)).nodes, false])
})

test('an operation that may cause no more calls gets what is stored, and the next one asks again', async () => {
  const set = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-24', '2026-11-25T21:00:00Z')
  const before = await ask(set, range)
  set.now += daySeconds
  // The look for splits and dividends takes the only one.
  const [answer] = await set.service.candles([range], callerWith(new CallBudget(1)))
  if (answer === undefined || answer instanceof Error) throw answer
  assert.deepEqual([answer.nodes, answer.stale], [before.nodes, false])
  await ask(set, range)
  assert.equal(callsOf(set, 'MINUTE_15'), 2)
})

test('only the first request of a day counts as a miss, and the others take one query', async (context) => {
  const set = setting('2026-11-25T22:00:00Z')
  const range = rangeOf(newSymbol(), 'MINUTE_15', '2026-11-24', '2026-11-26')
  await ask(set, range)
  set.now += daySeconds
  for (let i = 0; i < 3; i++) await ask(set, range)
  assert.deepEqual(set.results.slice(-3), ['miss', 'hit', 'hit'])
  const query = context.mock.method(pool, 'query')
  await ask(set, range)
  assert.equal(query.mock.callCount(), 1)
})
