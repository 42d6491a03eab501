import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { catalogue } from '../../../../src/analysis/indicators/catalogue.ts'
import type { Parameter } from '../../../../src/analysis/indicators/indicator.ts'
import { type IndicatorArgs, type IndicatorName, indicatorNames } from '../../../../src/analysis/indicators/points.ts'
import type { CandleSeries } from '../../../../src/domain/candle.ts'
import { finished } from '../../../../src/domain/steps.ts'
import type { Context } from '../../../../src/resolvers/context.ts'
import { columnOf, columnsOf, pointsOf } from '../../../../src/resolvers/market/indicator.ts'
import { type WrittenColumns, writtenColumns } from '../../../../src/resolvers/market/written-columns.ts'
import { stringify } from '../../../../src/resolvers/written-list.ts'
import type { CandleRow } from '../../../../src/store/candles/candle-copy.ts'
import { CandleMemory } from '../../../../src/store/candles/candle-memory.ts'
import type { SeriesState, StoredRows } from '../../../../src/store/candles/series.ts'
import { randomNumbers } from '../../../support/candles/generated-candles.ts'

const hour = 60
const start = Date.UTC(2025, 0, 6) / 60_000
const contextOf = (takesWrittenLists: boolean): Context =>
  ({ rowsLeft: Number.POSITIVE_INFINITY, caller: { client: 'one' }, takesWrittenLists }) as unknown as Context

/** Stored hours that grow and change, read through a memory. Some have no volume, some no prices, and some are missing. */
class StoredHours {
  readonly #random: () => number
  readonly #memory: CandleMemory
  readonly #rows: CandleRow[] = []
  #settledVersion = 0
  #rowVersion = 1
  #settled = 0

  constructor(seed: number, length: number, open: number) {
    this.#random = randomNumbers(seed)
    this.#memory = new CandleMemory(async (state, { from, to }) => {
      const rows = this.#rows.filter(({ minute }) => minute * 60 >= from && minute * 60 < to)
      return { rows, generation: 0, settledVersion: this.#settledVersion, rowVersion: state.rowVersion, openFrom: null }
    }, 64_000_000)
    for (let i = 0; i < length; i++) this.#add()
    this.#settled = Math.max(1, length - open)
  }

  #add(): void {
    const gap = this.#random() < 0.05 ? 9 : 1
    this.#rows.push(this.#row((this.#rows.at(-1)?.minute ?? start) + gap * hour))
  }

  /** Every second one has the high and low, or all, of one before it, so that indicators meet equal values, too. */
  #row(minute: number): CandleRow {
    const random = this.#random
    const before = this.#rows.at(-1)
    const price = 100 * (1 + 0.3 * random())
    const prices =
      random() < 0.2 && before
        ? before
        : { open: price, high: price * (1 + random()), low: price * random(), close: price, adjustedClose: null }
    const isExcluded = random() < 0.04
    return {
      ...{ ...prices, minute, volume: random() < 0.03 ? null : Math.floor(1e6 * random()) },
      ...(isExcluded && { open: null, high: null, low: null, close: null }),
    }
  }

  /** The newest candle moves, and sometimes others that are not settled, or that are there no more. */
  move(many: number): void {
    this.#rowVersion += 1
    const open = this.#rows.length - this.#settled
    const from = this.#rows.length - Math.min(open, 1 + many)
    if (many === 3 && open > 2) this.#rows.splice(from, 1)
    else for (let i = from; i < this.#rows.length; i++) this.#rows[i] = this.#row(this.#rows[i]?.minute as number)
  }

  /** Candles are stored for good, some of them other than they were before. */
  settle(many: number): void {
    this.move(many)
    this.#settled = Math.min(this.#rows.length, this.#settled + many)
  }

  /** One candle more. */
  close(many: number): void {
    this.#add()
    this.settle(many)
  }

  /** A candle changes that was stored for good. */
  revise(many: number): void {
    this.#settledVersion += 1
    this.#rowVersion += 1
    const at = Math.max(0, this.#settled - 1 - 7 * many)
    this.#rows[at] = this.#row(this.#rows[at]?.minute as number)
  }

  read(): Promise<StoredRows> {
    const settledTo = ((this.#rows[this.#settled - 1]?.minute as number) + hour) * 60
    const end = (this.#rows.at(-1)?.minute as number) * 60 + 3600
    const state = {
      ...{ id: 1, generation: 0, settledVersion: this.#settledVersion, rowVersion: String(this.#rowVersion) },
      ...{ openFrom: null, gaps: [{ from: settledTo, to: end + 1e6 }] },
    } as unknown as SeriesState
    return this.#memory.rows(state, { from: start * 60, to: end })
  }
}

/** The newest candles: as memory has them, and as objects. */
async function seriesOf(hours: StoredHours, last: number): Promise<{ written: CandleSeries; plain: CandleSeries }> {
  const { list } = await hours.read()
  const begin = Math.max(0, list.length - last)
  const lists = { earlier: list.slice(0, begin), nodes: list.slice(begin, list.length) }
  const plain = {
    ...{ symbol: 'A', interval: 'HOUR_1', adjustment: 'SPLITS', source: 'SIMULATED', extendedHours: false },
    ...{ sessions: { timezone: 'America/New_York', opens: 0, closes: 86_400 }, isWhole: true },
    ...{ earlier: lists.earlier.candles, nodes: lists.nodes.candles },
  } as unknown as CandleSeries
  return { plain, written: { ...plain, lists } }
}

function argsOf(name: IndicatorName, seed: number): IndicatorArgs {
  const random = randomNumbers(seed)
  const args = Object.entries<Parameter>(catalogue[name].parameters).map(([parameter, of]) => {
    if ('values' in of) return [parameter, of.values[Math.floor(random() * of.values.length)]]
    const value = of.type === 'Int' ? 1 + Math.floor(random() ** 2 * 60) : of.default * (0.5 + random())
    return [parameter, random() < 0.2 ? of.default : Math.min(of.max, Math.max(of.min, value))]
  })
  return Object.fromEntries(args)
}

/** An indicator by column and as points, as an answer has it: a list that is written already is its own only entry. */
async function answered(name: IndicatorName, series: CandleSeries, args: IndicatorArgs, written: boolean) {
  const context = contextOf(written)
  const lists =
    catalogue[name].point === 'IndicatorPoint'
      ? { parts: { value: await columnOf(name)(series, args, context) } }
      : await columnsOf(name)(series, args, context)
  const entries = Object.entries(lists.parts).map(([part, list]) => [part, [...list]])
  const ahead = name === 'ichimoku' && 'ahead' in lists ? lists.ahead : null
  return { parts: Object.fromEntries(entries), ahead, points: await pointsOf(name)(series, args, context) }
}

const step = fc.tuple(fc.constantFrom('move', 'move', 'settle', 'settle', 'close', 'revise'), fc.nat(3))
const history = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  length: fc.integer({ min: 1, max: 320 }),
  open: fc.constantFrom(0, 1, 1, 5, 40),
  last: fc.constantFrom(1, 30, 100, 300),
  steps: fc.array(step, { maxLength: 8 }),
})

test('whatever candles move, close or change, all indicators are written byte for byte as plain execution has them', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ seed, length, open, last, steps }) => {
      const hours = new StoredHours(seed, length, open)
      const names = indicatorNames.filter((_, i) => (seed + i) % 3 === 0)
      // What is asked for twice is kept.
      for (const [kind, many] of [['move', 0], ['move', 1], ...steps] as const) {
        hours[kind](many)
        const { written, plain } = await seriesOf(hours, last)
        for (const name of names) {
          const args = argsOf(name, seed)
          const expected = JSON.stringify(await answered(name, plain, args, false))
          for (const time of ['first', 'second']) {
            const found = stringify(await answered(name, written, args, true))
            assert.equal(found, expected, `${name} ${JSON.stringify(args)} after ${kind}, the ${time} time`)
          }
        }
      }
    }),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 50) },
  )
})

test('of an indicator that was asked for before its newest candles changed, only the rows from there on are written', () => {
  const of = (...values: number[]) => ({ value: Float64Array.from(values) })
  const write = (...given: Parameters<typeof writtenColumns>) => finished(writtenColumns(...given))
  const json = ({ lists }: WrittenColumns): string => stringify([...(lists.value as Iterable<unknown>)])
  const first = write(of(1, 2, Number.NaN, 4))
  assert.equal(json(first), '[1,2,null,4]')
  // Other numbers than before, which only a test has, show what is written anew.
  const second = write(of(10, 20, 30, 40, 50), { value: first, sameRows: 3 })
  assert.equal(json(second), '[1,2,null,40,50]')
  const third = write(of(11, 21, 31, 41, 51), { value: second, sameRows: 4 })
  assert.equal(json(third), '[1,2,null,41,51]')
  const fourth = write(of(12, 22), { value: third, sameRows: 1 })
  assert.equal(json(fourth), '[1,22]')
  const fifth = write(of(...Array(100).fill(0.5)), { value: fourth, sameRows: 1 })
  assert.equal(json(fifth), `[1,${Array(99).fill(0.5)}]`)
  assert.equal(json(write(of(3, 4), { value: fifth, sameRows: 0 })), '[3,4]')
})
