import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { CandleRequest } from '../../../src/domain/candle.ts'
import { type SourceInterval, sourceInterval } from '../../../src/domain/time/interval.ts'
import { daySeconds, type TimeSpan } from '../../../src/domain/time/units.ts'
import type { CandleStoreOptions } from '../../../src/store/candles/candle-store.ts'
import type { Series } from '../../../src/store/candles/series.ts'
import {
  CandleHouse,
  CandleProcess,
  gatedPool,
  type Operation,
  type Outcome,
} from '../../support/candles/candle-process.ts'
import {
  type Action,
  type Ask,
  type Case,
  type Change,
  type Held,
  kindsOfCases,
  type Step,
} from '../../support/candles/candle-steps.ts'
import { startsIn, type World } from '../../support/candles/made-market.ts'
import { createTestDatabase } from '../../support/database/database.ts'

/** Of each of the two tests. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 12)
const seed = Number(process.env.FUZZ_SEED ?? Math.trunc(Math.random() * 1e9))

const database = await createTestDatabase()
const pool = gatedPool(database.url)
after(async () => {
  await pool.end()
  await database[Symbol.asyncDispose]()
})

interface Worker {
  do(operation: Operation, world: World, bare?: boolean): Promise<Outcome>
}

interface Asked {
  readonly request: CandleRequest
  readonly peek: Operation
}

let symbols = 0

/** A case as it is played out: with two processes or one, and one beside them that remembers nothing. */
class Play {
  readonly #processes: CandleProcess[]
  readonly #bare: Worker
  readonly #restart: (place: number) => Promise<void>
  readonly #symbol = `C${symbols++}`
  /** What clients asked for, the newest last, and what has to be stored for it. */
  readonly #asked: Asked[] = []
  #world: World
  /** As it was before each step. */
  readonly #worlds: World[] = []

  constructor(
    processes: CandleProcess[],
    bare: Worker,
    restart: (place: number) => Promise<void>,
    { isEarly, hasEarlyDays }: Case,
  ) {
    this.#processes = processes
    this.#bare = bare
    this.#restart = restart
    // A Tuesday in the middle of a session. The days of the first begin in 1968.
    const now = Date.parse(isEarly ? '1971-03-09T12:20:00Z' : '2026-03-10T12:20:00Z') / 1000
    const today = Math.floor(now / daySeconds)
    this.#world = {
      ...{ now, firstDay: today - 800, earlyDay: hasEarlyDays ? today - 3000 : null, currency: 'USD' },
      ...{ splits: [], dividends: [], faults: [] },
    }
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const [place, step] of steps.entries()) {
      this.#worlds.push(this.#world)
      if (isChange(step)) this.#world = changed(this.#world, step)
      else {
        await this.#take(step)
        await this.#check(this.#asked.slice(-1), `after step ${place + 1}, ${step.kind}`)
      }
    }
    await this.#check(this.#asked.slice(-5), 'at the end')
  }

  async #take(step: Exclude<Step, Change>): Promise<void> {
    switch (step.kind) {
      case 'together':
        await Promise.all(step.actions.map((each) => this.#act(each)))
        return
      case 'held':
        return this.#hold(step)
      case 'restart':
        return this.#restart(step.by % this.#processes.length)
      default:
        await this.#act(step)
    }
  }

  #process(by: number): CandleProcess {
    return this.#processes[by % this.#processes.length] as CandleProcess
  }

  async #act(action: Action): Promise<Outcome> {
    if (action.kind === 'write' && action.age < 0) this.#world = { ...this.#world, now: this.#world.now + 7 }
    const operation = this.#operation(action)
    if (operation.kind === 'ask') {
      const { request } = operation
      const { by, extendedHours, range } = action as Ask
      const interval = sourceInterval(request.interval)
      const peek = this.#operation({ kind: 'peek', by, interval, extendedHours, range })
      this.#asked.push({ request, peek })
    }
    const isLate = action.kind === 'write' && action.age > 0
    const world = isLate ? (this.#worlds.at(-1 - action.age) ?? this.#world) : this.#world
    const done = isLate ? { ...operation, startedAt: world.now } : operation
    const isBare = action.kind === 'ask' && action.isBare
    return (isBare ? this.#bare : this.#process(action.by)).do(done as Operation, world, isBare)
  }

  #operation(action: Action): Operation {
    const symbol = this.#symbol
    const series = (): Series => {
      const { interval, extendedHours = false } = action as { interval: SourceInterval; extendedHours?: boolean }
      return { source: 'YAHOO', symbol, interval, extendedHours: extendedHours && interval !== 'DAY_1' }
    }
    switch (action.kind) {
      case 'ask': {
        const { interval, adjustment, earlier, extendedHours, range } = action
        const { from, to } = this.#span(sourceInterval(interval), extendedHours, range)
        const isLast = range.place === 'last'
        return {
          kind: 'ask',
          request: {
            ...{ symbol, interval, adjustment, earlier, extendedHours },
            ...{ from: isLast ? null : from, to: to > this.#world.now ? null : to },
            last: isLast ? range.count : null,
          },
        }
      }
      case 'peek':
        return { kind: 'peek', series: series(), span: this.#span(action.interval, action.extendedHours, action.range) }
      case 'backfill': {
        const { interval, range } = action
        return { kind: 'backfill', symbol, interval, span: this.#span(interval, false, range) }
      }
      case 'write': {
        const { interval, extendedHours, range, revises } = action
        const span = this.#span(interval, extendedHours, range)
        return { kind: 'write', series: series(), span, startedAt: this.#world.now, revises }
      }
      case 'forget':
        return { kind: 'forget', series: series() }
      case 'prune':
        return { kind: 'prune', before: (Math.floor(this.#world.now / daySeconds) - action.days) * daySeconds }
    }
  }

  #span(interval: SourceInterval, isExtended: boolean, { count, place }: { count: number; place: string }): TimeSpan {
    const { now, firstDay } = this.#world
    const everything = { from: firstDay * daySeconds - 5000 * daySeconds, to: Number.POSITIVE_INFINITY }
    const starts = startsIn(this.#world, interval, isExtended, everything)
    const end = now + 1 + (interval === 'DAY_1' ? 14 * 3600 : 0)
    const at = (index: number): number => starts[Math.max(0, index)] ?? end
    switch (place) {
      case 'first':
        return { from: at(0), to: at(count) }
      case 'after':
        return { from: at(count), to: end }
      case 'last':
        return { from: at(starts.length - count), to: end }
      case 'before':
        return { from: at(starts.length - 30 - count), to: Math.max(at(0) + 60, at(starts.length - 30)) }
      default:
        return { from: at(0), to: end }
    }
  }

  async #hold({ gate, before, action, meanwhile, isKilled }: Held): Promise<void> {
    for (const each of before) await this.#act(each)
    const process = this.#process(action.by)
    const peek = action.kind === 'peek' ? this.#operation(action) : null
    const stored = async (): Promise<string> =>
      peek ? rowsOf((await this.#bare.do(peek, this.#world, true)).text) : ''
    const right = [await stored(), JSON.stringify({ candles: [], excluded: [] })]
    const { reached, release } = process.holdAt(gate)
    const held = this.#act(action)
    try {
      await Promise.race([reached, held])
      for (const each of meanwhile) {
        await this.#act(each)
        right.push(await stored())
      }
    } finally {
      if (isKilled) {
        held.catch(() => {})
        await this.#restart(action.by % this.#processes.length)
      } else release()
    }
    if (isKilled) return
    const rows = rowsOf((await held).text)
    if (action.kind !== 'peek' || right.includes(rows)) return
    assert.fail(`a held read has what was never stored: ${difference(rows, right.at(-1) as string)}`)
  }

  /** All have the same stored, and give the same once nobody has anything left to ask the source for. */
  async #check(asked: readonly Asked[], when: string): Promise<void> {
    for (const { peek, request } of asked) {
      const [right, ...found] = await Promise.all([
        this.#bare.do(peek, this.#world, true),
        ...this.#processes.map((each) => each.do(peek, this.#world)),
      ])
      for (const [place, { text }] of found.entries()) {
        if (text !== right.text)
          assert.fail(`${when}: process ${place} has other rows: ${difference(text, right.text)}`)
      }
      await this.#checkOne(request, when)
    }
  }

  async #checkOne(request: CandleRequest, when: string): Promise<void> {
    const operation: Operation = { kind: 'ask', request }
    for (let round = 0; round < 12; round++) {
      const all = await Promise.all([
        this.#bare.do(operation, this.#world, true),
        ...this.#processes.map((each) => each.do(operation, this.#world)),
      ])
      const [right, ...found] = all
      // It took the failed answers apart by time.
      if (all.some(({ isStale }) => isStale)) this.#world = { ...this.#world, now: this.#world.now + 2 }
      else if (all.every(({ calls }) => calls === 0)) {
        for (const [place, { text }] of found.entries()) {
          if (text === right.text) continue
          assert.fail(
            `${when}: process ${place} differs for ${JSON.stringify(request)}: ${difference(text, right.text)}`,
          )
        }
        return
      }
    }
    assert.fail(`${when}: the source is asked again and again for ${JSON.stringify(request)}`)
  }
}

/** Of what a peek gives: the state that it is read by may be from before. */
function rowsOf(text: string): string {
  if (!text.startsWith('{')) return text
  const { candles, excluded } = JSON.parse(text)
  return JSON.stringify({ candles, excluded })
}

const isChange = (step: Step): step is Change =>
  ['tick', 'days', 'rows', 'split', 'dividend', 'currency'].includes(step.kind)

function changed(world: World, change: Change): World {
  const { now } = world
  const today = Math.floor(now / daySeconds)
  switch (change.kind) {
    case 'tick':
      return { ...world, now: now + change.seconds }
    case 'days':
      return { ...world, now: now + change.days * daySeconds }
    case 'currency':
      return { ...world, currency: world.currency === 'USD' ? 'EUR' : 'USD' }
    case 'rows': {
      const { fault: kind, daysBack, days, lasts } = change
      const from = (today - daysBack) * daySeconds
      const fault = { kind, from, to: from + days * daySeconds, until: now + lasts * daySeconds }
      return { ...world, faults: [fault, ...world.faults] }
    }
    default: {
      const { kind, daysBack, lateDays } = change
      const [day, knownAt] = [today - daysBack, now + lateDays * daySeconds]
      return kind === 'split'
        ? { ...world, splits: [...world.splits.filter((split) => split.day !== day), { day, knownAt, ratio: 2 }] }
        : { ...world, dividends: [...world.dividends.filter((paid) => paid.day !== day), { day, knownAt, amount: 3 }] }
    }
  }
}

/** Where two answers differ first. */
function difference(found: string, right: string): string {
  if (!found.startsWith('{') || !right.startsWith('{'))
    return `${found.slice(0, 200)} instead of ${right.slice(0, 200)}`
  const [a, b] = [found, right].map((text) => JSON.parse(text) as Record<string, unknown>) as [
    Record<string, unknown>,
    Record<string, unknown>,
  ]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
    .map((key) => {
      const [one, two] = [a[key], b[key]]
      if (!Array.isArray(one) || !Array.isArray(two)) return `${key}: ${text(one)} instead of ${text(two)}`
      const at = one.findIndex((value, i) => JSON.stringify(value) !== JSON.stringify(two[i]))
      return `${key}[${at}] of ${one.length}: ${text(one[at])} instead of ${text(two[at])} of ${two.length}`
    })
    .join('; ')
}

const text = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 150)

/** `parts`: how many share the time. */
async function played(options: readonly CandleStoreOptions[], bare: Worker | null, parts = 1): Promise<number> {
  const processes = options.map((each) => new CandleProcess(database.url, each))
  const restart = async (place: number): Promise<void> => {
    await processes[place]?.kill()
    processes[place] = new CandleProcess(database.url, options[place] as CandleStoreOptions)
  }
  const first: Worker = { do: (...given) => (processes[0] as CandleProcess).do(...given) }
  let runs = 0
  try {
    for (
      const endMs = Date.now() + (1000 * seconds) / parts;
      Date.now() < endMs || runs < kindsOfCases.length;
      runs++
    ) {
      await fc.assert(
        fc.asyncProperty(kindsOfCases[(seed + runs) % kindsOfCases.length] ?? assert.fail(), (one) =>
          new Play(processes, bare ?? first, restart, one).play(one.steps),
        ),
        { numRuns: 1, seed: seed + runs, interruptAfterTimeLimit: 30_000, timeout: 30_000 },
      )
    }
  } catch (error) {
    throw new Error(`FUZZ_SEED=${seed + runs}`, { cause: error })
  } finally {
    for (const process of processes) await process.kill()
  }
  return runs
}

test('two processes on one database: whatever is read, written, split, repaired, backfilled, deleted or killed, in whatever order and at the same time, both give the candles and indicators that one gives that remembers nothing', async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`)
  const bare = new CandleHouse(pool, { memoryBytes: 0 })
  const runs = await played([{ memoryBytes: 100_000 }, {}], bare)
  t.diagnostic(`${runs} cases`)
})

test('the only process that writes: whatever it does, in whatever order and at the same time, it gives the candles and indicators that the database has', async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`)
  let runs = 0
  for (const options of [{}, { memoryBytes: 100_000 }]) {
    runs += await played([{ isOnlyWriter: true, ...options }], null, 2)
  }
  t.diagnostic(`${runs} cases`)
})
