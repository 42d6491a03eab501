import fc from 'fast-check'
import type { Adjustment } from '../../../src/domain/candle.ts'
import { type Interval, type SourceInterval, sourceInterval } from '../../../src/domain/time/interval.ts'
import type { Gate } from './candle-process.ts'
import type { Fault } from './made-market.ts'

/** Which candles: some from the first one on, or after so many, or up to the newest, or before the last; or all. */
interface Range {
  readonly count: number
  readonly place: 'first' | 'after' | 'last' | 'before' | 'all'
}

interface Part {
  /** In which process. */
  readonly by: number
  readonly interval: SourceInterval
  readonly extendedHours: boolean
  readonly range: Range
}

export interface Ask extends Omit<Part, 'interval'> {
  readonly kind: 'ask'
  readonly interval: Interval
  readonly adjustment: Adjustment
  readonly earlier: number
  /** By whoever remembers nothing. */
  readonly isBare: boolean
}

interface Peek extends Part {
  readonly kind: 'peek'
}

interface Write extends Part {
  readonly kind: 'write'
  readonly revises: boolean
  /** How many steps ago the source was asked; -1: now, some seconds after what was before. */
  readonly age: number
}

type Dropping =
  | ({ readonly kind: 'forget' } & Omit<Part, 'range'>)
  | { readonly kind: 'prune'; readonly by: number; readonly days: number }

export type Action = Ask | Peek | Write | Dropping | ({ readonly kind: 'backfill' } & Omit<Part, 'extendedHours'>)

export type Change =
  | { readonly kind: 'tick'; readonly seconds: number }
  | { readonly kind: 'days'; readonly days: number }
  | {
      readonly kind: 'rows'
      readonly fault: Fault['kind']
      readonly daysBack: number
      readonly days: number
      readonly lasts: number
    }
  | { readonly kind: 'split' | 'dividend'; readonly daysBack: number; readonly lateDays: number }
  | { readonly kind: 'currency' }

/** One stops midway, before or after a statement, until others have done something. */
export interface Held {
  readonly kind: 'held'
  readonly gate: Gate
  readonly before: readonly (Ask | Write)[]
  readonly action: Ask | Peek | Write | Dropping
  readonly meanwhile: readonly (Peek | Write | Dropping)[]
  /** It never goes on. */
  readonly isKilled: boolean
}

export type Step =
  | Action
  | Change
  | Held
  | { readonly kind: 'restart'; readonly by: number }
  | { readonly kind: 'together'; readonly actions: readonly Action[] }

/** What happens to the candles of one symbol. */
export interface Case {
  /** The days of this one begin before 1970. */
  readonly isEarly: boolean
  /** There are some weeks of candles years before the others. */
  readonly hasEarlyDays: boolean
  readonly steps: readonly Step[]
}

const by = fc.nat(1)
const asked = fc.constantFrom<Interval>(
  ...(['DAY_1', 'DAY_1', 'DAY_1', 'HOUR_1', 'HOUR_1', 'MINUTE_15'] as const),
  ...(['WEEK_1', 'MONTH_1', 'HOUR_4', 'MINUTE_30'] as const),
)
const stored = fc.constantFrom<SourceInterval>('DAY_1', 'DAY_1', 'HOUR_1', 'MINUTE_15')
/** JSON is kept in pieces of 256 rows. */
const count = fc.constantFrom(1, 20, 20, 255, 256, 257, 300, 511, 512, 513)
/** Few ranges, so that what is read has often been read and written before. */
const range: fc.Arbitrary<Range> = fc.record({
  count,
  place: fc.constantFrom('first', 'after', 'last', 'last', 'before', 'all' as const),
})
const extendedHours = fc.constantFrom(false, false, true)

const ask: fc.Arbitrary<Ask> = fc.record({
  ...{ kind: fc.constant('ask' as const), by, interval: asked, extendedHours, range },
  isBare: fc.constant(false),
  adjustment: fc.constantFrom('SPLITS', 'SPLITS', 'SPLITS', 'NONE', 'SPLITS_AND_DIVIDENDS' as const),
  earlier: fc.constantFrom(1, 1, 60),
})
const peek: fc.Arbitrary<Peek> = fc.record({
  kind: fc.constant('peek' as const),
  by,
  interval: stored,
  extendedHours,
  range,
})
const backfill: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('backfill' as const),
  by,
  interval: stored,
  range,
})
const write: fc.Arbitrary<Write> = fc.record({
  ...{ kind: fc.constant('write' as const), by, interval: stored, extendedHours, range, revises: fc.boolean() },
  age: fc.constantFrom(0, 0, 0, 1, 3),
})
const forget: fc.Arbitrary<Dropping> = fc.record({
  kind: fc.constant('forget' as const),
  by,
  interval: stored,
  extendedHours,
})
const prune: fc.Arbitrary<Dropping> = fc.record({
  kind: fc.constant('prune' as const),
  by,
  days: fc.constantFrom(0, 5, 20),
})
const restart: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('restart' as const), by })
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('tick' as const), seconds: fc.constantFrom<number>(1, 20, 400) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('days' as const), days: fc.constantFrom(1, 3, 8) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('rows' as const),
      fault: fc.constantFrom('missing', 'unusable', 'other', 'other' as const),
      daysBack: fc.constantFrom(0, 1, 4, 30),
      days: fc.constantFrom(1, 4, 40),
      lasts: fc.constantFrom(1, 4, 1000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('split', 'dividend' as const),
      daysBack: fc.constantFrom(0, 0, 1, 3, 30),
      lateDays: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('currency' as const) }) },
)
const dropping: fc.Arbitrary<Dropping> = fc.oneof(forget, prune)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: ask },
  { weight: 2, arbitrary: peek },
  { weight: 2, arbitrary: backfill },
  { weight: 4, arbitrary: write },
  { weight: 2, arbitrary: dropping },
)
const together: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('together' as const),
  actions: fc.array(action, { minLength: 2, maxLength: 3 }),
})
const heldRead: fc.Arbitrary<Held> = fc.record({
  kind: fc.constant('held' as const),
  gate: fc.record({
    statement: fc.constantFrom('candle-series', 'candle-rows-stamped'),
    side: fc.constantFrom('before', 'after' as const),
  }),
  before: fc.array(write, { maxLength: 1 }),
  action: peek,
  meanwhile: fc.array(fc.oneof(write, write, dropping), { minLength: 1, maxLength: 2 }),
  isKilled: fc.constant(false),
})
const heldWrite: fc.Arbitrary<Held> = fc.record({
  kind: fc.constant('held' as const),
  gate: fc.record({
    statement: fc.constantFrom('COMMIT', 'COMMIT', 'candle-fetch-record-1'),
    side: fc.constantFrom('before', 'after' as const),
  }),
  before: fc.array(write, { maxLength: 1 }),
  action: fc.oneof(write, write, dropping),
  meanwhile: fc.array(peek, { minLength: 1, maxLength: 2 }),
  isKilled: fc.nat(15).map((n) => n === 15),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 50, arbitrary: action },
  { weight: 40, arbitrary: change },
  { weight: 15, arbitrary: together },
  { weight: 15, arbitrary: heldRead },
  { weight: 15, arbitrary: heldWrite },
  { weight: 1, arbitrary: restart },
)
const other = { kind: 'rows', fault: 'other', daysBack: 30, days: 40, lasts: 1000 } as const
/** What is dropped and stored anew looks as if nothing had happened, unless somebody counts. */
const anew = fc
  .tuple(ask, dropping, fc.oneof(ask, backfill))
  .map(([first, drop, { by: _by, ...next }]): Step[] => [
    { ...first, by: 0 },
    other,
    { ...drop, ...('interval' in drop ? { interval: sourceInterval(first.interval) } : {}) },
    { ...(next as Action), ...{ by: 1, interval: sourceInterval(first.interval), range: first.range } } as Action,
    { ...first, by: 0 },
  ])
/** The open end moves on in one process after the other has read it, and is still fresh there. */
const moving = fc.tuple(ask, fc.constantFrom(16, 20)).map(([first, seconds]): Step[] => [
  { ...first, ...{ by: 0, range: { ...first.range, place: 'last' } } },
  { kind: 'tick', seconds: 10 },
  { ...first, ...{ by: 1, range: { ...first.range, place: 'last' } } },
  { kind: 'tick', seconds: seconds - 10 },
  { ...first, ...{ by: 0, range: { ...first.range, place: 'last' } } },
])
/** One process hears of a split or dividend from the source, the other from the store. */
const splitting = fc
  .tuple(
    fc.oneof(
      ask,
      ask.map((one) => ({
        ...one,
        ...{ interval: 'HOUR_1' as const, range: { count: 20, place: 'before' as const } },
      })),
    ),
    fc.constantFrom('split', 'split', 'dividend' as const),
    fc.constantFrom(0, 3),
    asked,
  )
  .map(([first, kind, daysBack, interval]): Step[] => [
    { ...first, by: 0 },
    { kind, daysBack, lateDays: 0 },
    { kind: 'days', days: 1 },
    { ...first, ...{ by: 1, interval } },
    { ...first, by: 0 },
  ])
/** One stops midway in what the other reads or writes, too, and what was kept of it before has changed. */
const crossing = fc
  .tuple(ask, by, fc.oneof(change, fc.constant(other)), fc.oneof(heldRead, heldRead, heldWrite))
  .map(([first, by, changed, held]): Step[] => {
    const { extendedHours, range } = first
    const same = { interval: sourceInterval(first.interval), extendedHours, range }
    return [
      { ...first, by },
      changed,
      {
        ...held,
        before: held.before.map((each) => ({ ...each, ...same })),
        action: { ...held.action, ...same },
        meanwhile: held.meanwhile.map((each) => ({ ...each, ...same })),
      } as Held,
    ]
  })
/** Charts that begin and end where pieces of JSON do. */
const pieces = fc
  .tuple(
    ask,
    fc.shuffledSubarray(
      [254, 255, 256, 257, 511, 512].flatMap((count): Range[] => [
        { count, place: 'first' },
        { count, place: 'after' },
      ]),
      { minLength: 9 },
    ),
  )
  .map(([first, ranges]): Step[] => {
    const whole = { ...first, ...{ by: 0, adjustment: 'SPLITS' as const, interval: sourceInterval(first.interval) } }
    return [{ count: 1, place: 'all' as const }, ...ranges].map((range) => ({ ...whole, range }))
  })
/** Candles become final, one or some at a time, and several readers come to them at once. */
const growing = fc.tuple(ask, by, fc.constantFrom(1, 1, 3)).map(([one, by, days]): Step[] => {
  const range = { count: 1, place: 'all' as const }
  const first = { ...one, ...{ by, interval: sourceInterval(one.interval), range } }
  const peek = { ...first, kind: 'peek' as const }
  return [
    first,
    { kind: 'days', days },
    {
      ...{ kind: 'held', gate: { statement: 'candle-rows-stamped', side: 'before' }, isKilled: false },
      before: [{ ...first, isBare: true }],
      action: peek,
      meanwhile: [peek],
    },
    { kind: 'days', days: 1 },
    { kind: 'together', actions: [first, { ...first, range: { count: 257, place: 'last' } }] },
  ]
})
/** Candles go while they are read for the first time. */
const filling = fc
  .tuple(ask, by, prune, fc.constantFrom('before', 'after' as const))
  .map(([one, by, drop, side]): Step[] => {
    const interval = one.interval === 'DAY_1' ? 'MINUTE_15' : sourceInterval(one.interval)
    // It need not look further back for what has gone.
    const range = { count: 1, place: 'all' as const }
    const first = { ...one, ...{ by, interval, range, adjustment: 'SPLITS' as const, earlier: 0 } }
    return [
      {
        ...{ kind: 'held', gate: { statement: 'candle-rows-stamped', side }, isKilled: false },
        before: [{ ...first, isBare: true }],
        action: first,
        meanwhile: [drop],
      },
    ]
  })
/** Candles that were stored for good change while the newest ones are read on. */
const tearing = fc.tuple(ask, by, write, write).map(([first, by, one, two]): Step[] => {
  const interval = sourceInterval(first.interval)
  const same = { interval, extendedHours: first.extendedHours, range: { count: 300, place: 'last' as const } }
  return [
    { ...first, ...same, by },
    other,
    { kind: 'tick', seconds: 20 },
    {
      ...{ kind: 'held', gate: { statement: 'candle-rows-stamped', side: 'before' }, isKilled: false },
      // Another version of the row, with the same candles.
      before: [{ ...one, ...same, ...{ revises: false, age: 0 } }],
      action: { ...first, ...same, ...{ kind: 'peek', by } },
      meanwhile: [{ ...two, ...same, ...{ revises: true, age: -1 } }],
    },
  ]
})
/** A state comes after its series has been written, and is from before. */
const overtaken = fc.tuple(ask, by, write, write).map(([first, by, one, two]): Step[] => {
  const interval = sourceInterval(first.interval)
  const same = { interval, extendedHours: first.extendedHours, range: { count: 300, place: 'last' as const } }
  return [
    { ...first, ...same, by },
    { kind: 'tick', seconds: 20 },
    {
      ...{ kind: 'held', gate: { statement: 'candle-series', side: 'after' }, isKilled: false },
      // The only process that writes knows the state of what it has written last.
      before: [{ ...one, ...{ interval: interval === 'DAY_1' ? 'HOUR_1' : 'DAY_1', age: 0 } }],
      action: { ...first, ...same, ...{ kind: 'peek', by } },
      meanwhile: [{ ...two, ...same, age: 0 }],
    },
  ]
})
const scenarios = [anew, moving, splitting, crossing, pieces, growing, filling, tearing, overtaken]
const steps = fc
  .array(fc.oneof({ weight: 5, arbitrary: step.map((one) => [one]) }, ...scenarios), { minLength: 2, maxLength: 8 })
  .map((parts) => parts.flat())
const caseOf = (steps: fc.Arbitrary<Step[]>) => fc.record({ isEarly: fc.boolean(), hasEarlyDays: fc.boolean(), steps })
/** To be taken in turns: whatever comes, and each way that is known to be dangerous. */
export const kindsOfCases: readonly fc.Arbitrary<Case>[] = [steps, ...scenarios].map(caseOf)
