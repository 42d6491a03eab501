import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { SourceCandle } from '../../../src/domain/candle.ts'
import { type CandleList, candleColumns } from '../../../src/domain/candle-list.ts'
import { finished, inOneStep } from '../../../src/domain/steps.ts'
import type { TimeSpan } from '../../../src/domain/time/units.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore, type CandleStoreOptions } from '../../../src/store/candles/candle-store.ts'
import type { FetchedCandles, Series } from '../../../src/store/candles/series.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const hourSeconds = 3600
const start = Date.parse('2025-01-01T00:00:00Z') / 1000
/** More hours than a piece of JSON has rows. */
const historyDays = 30
const intervals = ['DAY_1', 'HOUR_1'] as const
type SeriesInterval = (typeof intervals)[number]

interface Range {
  readonly interval: SeriesInterval
  readonly fromDay: number
  readonly days: number
}

type Step = { readonly by: number } & (
  | (Range & { readonly kind: 'read' })
  | (Range & {
      readonly kind: 'write'
      /** How many hours at its end may still change. */
      readonly openHours: number
      readonly price: number
      readonly revises: boolean
      /** How long ago it was asked for, in steps. */
      readonly late: number
      readonly actionDay: number
      readonly action: 'split' | 'dividend' | null
      readonly missing: readonly number[]
    })
  | { readonly kind: 'forget'; readonly interval: SeriesInterval }
  | { readonly kind: 'prune'; readonly beforeDay: number }
)

const range = {
  interval: fc.constantFrom(...intervals),
  // Few, so that what is read has often been read and written before.
  fromDay: fc.constantFrom(0, 0, 9, 20),
  days: fc.constantFrom(1, 11, historyDays),
}
const by = fc.nat(1)
const day = fc.constantFrom(5, 12, 25, historyDays)
const read = fc.record({ kind: fc.constant('read' as const), by, ...range })
const write = fc.record({
  kind: fc.constant('write' as const),
  by,
  ...range,
  openHours: fc.constantFrom(0, 0, 5, 30),
  price: fc.integer({ min: 1, max: 5 }),
  revises: fc.boolean(),
  late: fc.constantFrom(0, 0, 0, 3),
  actionDay: day,
  action: fc.constantFrom(null, null, null, 'split' as const, 'dividend' as const),
  missing: fc.array(fc.nat(historyDays * 24), { maxLength: 3 }),
})
const forget = fc.record({ kind: fc.constant('forget' as const), by, interval: range.interval })
const prune = fc.record({ kind: fc.constant('prune' as const), by, beforeDay: day })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: read },
  { weight: 6, arbitrary: write },
  { weight: 1, arbitrary: forget },
  { weight: 1, arbitrary: prune },
)
/** Steps of one group begin at the same time. */
const group = fc.array(step, { minLength: 1, maxLength: 4 })
/** What is dropped and stored anew looks as if nothing had happened, unless somebody counts. */
const anew = fc.tuple(read, fc.oneof(forget, prune), write).map(([first, drop, { by: _by, ...next }]): Step[][] => {
  const { interval, fromDay, days } = first
  return [
    [{ ...next, ...{ by: 0, interval, fromDay, days, openHours: 0 } }],
    [{ ...first, by: 0 }],
    [drop],
    [{ ...next, ...{ by: 1, interval, fromDay, days, openHours: 0, price: next.price + 1 } }],
    [{ ...first, by: 0 }],
  ]
})
/** The open end moves on in one process, and the other one has read it before. */
const moving = fc.tuple(read, write).map(([first, { by: _by, ...next }]): Step[][] => {
  const { interval, fromDay, days } = first
  const open = { ...next, ...{ interval, fromDay, days, openHours: 5, late: 0, action: null } }
  return [
    [{ ...open, by: 0 }],
    [{ ...first, by: 0 }],
    [{ ...open, ...{ by: 1, price: next.price + 1 } }],
    [{ ...first, by: 0 }],
  ]
})
const groups = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: group.map((one) => [one]) },
      { weight: 1, arbitrary: anew },
      { weight: 1, arbitrary: moving },
    ),
    { minLength: 3, maxLength: 12 },
  )
  .map((parts) => parts.flat())

const spanOf = ({ fromDay, days }: Range): TimeSpan => ({
  from: start + fromDay * daySeconds,
  to: start + Math.min(historyDays, fromDay + days) * daySeconds,
})

const settled = { openHours: 0, price: 1, revises: false, late: 0, actionDay: 0, action: null, missing: [] }

let runs = 0

class House {
  readonly #symbol = `M${runs++}`
  /** Of two processes, or of two parts of one. */
  readonly stores: readonly CandleStore[]
  #nowMs = Date.parse('2025-03-01T00:00:00Z')

  constructor(stores: readonly CandleStore[]) {
    this.stores = stores
  }

  #series(interval: SeriesInterval): Series {
    return { source: 'SIMULATED', symbol: this.#symbol, interval, extendedHours: false }
  }

  async do(step: Step): Promise<unknown> {
    const store = this.stores[step.by % this.stores.length] as CandleStore
    this.#nowMs += 1000
    switch (step.kind) {
      case 'read':
        return this.#rows(store, step)
      case 'forget':
        return store.forget(this.#series(step.interval))
      case 'prune':
        return store.prune(start + step.beforeDay * daySeconds)
      case 'write':
        return store.write(this.#series(step.interval), spanOf(step), this.fetched(step))
    }
  }

  fetched(step: Step & { readonly kind: 'write' }): FetchedCandles {
    const { interval, openHours, price, revises, late, actionDay, action, missing } = step
    const { from, to } = spanOf(step)
    const finalBefore = to - openHours * hourSeconds
    const seconds = interval === 'DAY_1' ? daySeconds : hourSeconds
    const candles: SourceCandle[] = []
    const excluded: number[] = []
    for (let epoch = from; epoch < to; epoch += seconds) {
      const place = (epoch - start) / seconds
      if (missing.includes(place)) {
        if (place % 2 === 0) excluded.push(epoch)
        continue
      }
      const close = price + place / 1000
      candles.push({
        ...{ epoch, open: price, high: close + 0.1, low: price / 3, close, volume: place % 7 === 0 ? null : place },
        closed: epoch < finalBefore,
        adjustedClose: interval === 'DAY_1' ? close * 0.9 : null,
      })
    }
    const epoch = start + actionDay * daySeconds
    return {
      ...{ candles, excluded, finalBefore, facts: null, isCurrent: openHours > 0, revises },
      startedMs: this.#nowMs - late * 1000,
      splits: action === 'split' ? [{ epoch, numerator: 2, denominator: 1 }] : [],
      dividends: action === 'dividend' ? [{ epoch, amount: 1, currency: null }] : [],
    }
  }

  async #rows(store: CandleStore, step: Range) {
    const state = await store.state(this.#series(step.interval), spanOf(step))
    return state && { state, ...(await store.read(state, spanOf(step))) }
  }

  /** Every store gives what one gives that remembers nothing. */
  async check(step: Range): Promise<void> {
    const fresh = await this.#rows(new CandleStore(pool), step)
    for (const store of this.stores) {
      const found = await this.#rows(store, step)
      assert.deepEqual(found?.state, fresh?.state)
      if (!found || !fresh) continue
      assert.deepEqual(found.list.candles, fresh.list.candles)
      assert.deepEqual(found.excluded, fresh.excluded)
      assertColumns(found.list, fresh.list.candles)
      const [a, b] = [Math.floor(found.list.length / 3), Math.ceil(found.list.length / 1.2)]
      assertColumns(found.list.slice(a, b), fresh.list.candles.slice(a, b))
    }
  }
}

function assertColumns(list: CandleList<SourceCandle>, candles: readonly SourceCandle[]): void {
  assert.equal(list.length, candles.length)
  assert.deepEqual(
    Array.from({ length: list.length }, (_, i) => list.epochAt(i)),
    candles.map(({ epoch }) => epoch),
  )
  const closes = candles.map(({ close }) => close)
  const derived = finished(
    list.remembered('closes', () => inOneStep(() => ({ bytes: 8 * closes.length, closes: [...list.floats('close')] }))),
  )
  assert.deepEqual(derived.closes, closes)
  for (const name of candleColumns) {
    const values = candles.map((candle) => candle[name])
    assert.equal(`[${finished(list.json(name))?.join(',')}]`, JSON.stringify(values), name)
    assert.deepEqual(
      Array.from(list.floats(name), (value) => (Number.isNaN(value) ? null : value)),
      values,
    )
  }
}

const twoProcesses = (options: CandleStoreOptions) => () => [
  new CandleStore(pool, options),
  new CandleStore(pool, options),
]
const oneProcess = () => {
  const store = new CandleStore(pool, { isOnlyWriter: true })
  return [store, store.over(pool)]
}

for (const [what, stores] of [
  ['two processes', twoProcesses({})],
  ['two processes with room for two series at most', twoProcesses({ memoryBytes: 60_000 })],
  ['a process that alone writes', oneProcess],
] as const) {
  test(`${what}: whatever is read, written, split, revised, dropped and pruned, in whatever order and at the same time, memory gives what the store gives`, async () => {
    await fc.assert(
      fc.asyncProperty(groups, async (groups) => {
        const house = new House(stores())
        for (const group of groups) {
          await Promise.all(group.map((step) => house.do(step)))
          for (const step of group) if (step.kind === 'read') await house.check(step)
        }
        for (const interval of intervals) await house.check({ interval, fromDay: 0, days: historyDays })
      }),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 40), interruptAfterTimeLimit: 60_000 },
    )
  })
}

for (const [what, isOnlyWriter, statements] of [
  ['one statement', false, 1],
  ['no statement if this process alone writes', true, 0],
] as const) {
  test(`fifty series that were read before take ${what}`, async (context) => {
    const store = new CandleStore(pool, { isOnlyWriter })
    const house = new House([store])
    const span = { from: start, to: start + 40 * daySeconds }
    const board = Array.from({ length: 50 }, (_, i): Series => {
      return { source: 'SIMULATED', symbol: `BOARD${i}`, interval: 'DAY_1', extendedHours: false }
    })
    const fetched = house.fetched({
      by: 0,
      kind: 'write',
      interval: 'DAY_1',
      fromDay: 0,
      days: historyDays,
      ...settled,
    })
    for (const series of board) await store.write(series, { ...span, to: start + historyDays * daySeconds }, fetched)
    const readAll = () =>
      Promise.all(
        board.map(async (series) => {
          const state = await store.state(series, span)
          return state && (await store.read(state, span)).list.length
        }),
      )
    const first = await readAll()
    const query = context.mock.method(pool, 'query')
    assert.deepEqual(await readAll(), first)
    assert.deepEqual([query.mock.callCount(), first[0]], [statements, historyDays])
  })
}
