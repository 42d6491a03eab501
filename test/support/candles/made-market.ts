import type { SourceCandle } from '../../../src/domain/candle.ts'
import type { CorporateActions } from '../../../src/domain/corporate-action.ts'
import { isDaily, type SourceInterval } from '../../../src/domain/time/interval.ts'
import { daySeconds } from '../../../src/domain/time/units.ts'
import type { CandleBatch, CandleQuery, MarketSource, TradingHours } from '../../../src/market/source.ts'
import { finalBefore } from '../../../src/market/yahoo/hours.ts'
import { spanSeconds } from '../../../src/market/yahoo/interval.ts'

/** What a source has at a moment: plain data, so that several processes can have the same one. Days count from 1970. */
export interface World {
  /** Epoch seconds. */
  readonly now: number
  readonly firstDay: number
  /** Some weeks of trading long before that; null: none. */
  readonly earlyDay: number | null
  readonly currency: string
  /** Told of from `knownAt` on, in epoch seconds, which may be days late. */
  readonly splits: readonly { readonly day: number; readonly ratio: number; readonly knownAt: number }[]
  readonly dividends: readonly { readonly day: number; readonly amount: number; readonly knownAt: number }[]
  /** Rows of [from, to), in epoch seconds, that the source sends otherwise before `until`. */
  readonly faults: readonly Fault[]
}

export interface Fault {
  readonly kind: 'missing' | 'unusable' | 'other'
  readonly from: number
  readonly to: number
  readonly until: number
}

const earlyDays = 30
/** In days: short, so that what is stored soon goes back further. */
const reaches: Readonly<Partial<Record<string, number>>> = {
  MINUTE_15: 25,
  MINUTE_30: 25,
  HOUR_1: 75,
  HOUR_2: 75,
  HOUR_4: 75,
}
const sizes: Readonly<Partial<Record<SourceInterval, number>>> = { MINUTE_15: 900, HOUR_1: 3600 }
/** Hours of UTC. */
const regular = { opens: 9, closes: 16 }
const extended = { opens: 7, closes: 18 }

const isWeekday = (day: number): boolean => {
  const weekday = (((day + 4) % 7) + 7) % 7
  return weekday !== 0 && weekday !== 6
}

const hoursOf = (day: number, { opens, closes }: typeof regular): TradingHours => ({
  opens: day * daySeconds + opens * 3600,
  closes: day * daySeconds + closes * 3600,
})

/** A number from 0 to 1 that hangs on the others alone. */
function noise(...keys: readonly number[]): number {
  let hash = 2_166_136_261
  for (const key of keys) {
    hash = Math.imul(hash ^ (key | 0), 16_777_619)
    hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_507)
    hash ^= hash >>> 13
  }
  return (hash >>> 0) / 2 ** 32
}

interface Bar extends SourceCandle {
  readonly isUsable: boolean
}

/** When the candles of a span begin, in epoch seconds, whether the source has them or not. */
export function startsIn(
  world: World,
  interval: SourceInterval,
  isExtended: boolean,
  span: { from: number; to: number },
) {
  const { firstDay, earlyDay, now } = world
  const reach = reaches[interval]
  const earliest = reach === undefined ? Number.NEGATIVE_INFINITY : now - reach * daySeconds
  const from = Math.max(span.from, earliest)
  const to = Math.min(span.to, now + 1)
  const starts: number[] = []
  const addDays = (first: number, last: number): void => {
    for (let day = Math.max(first, Math.floor(from / daySeconds)); day <= last && day * daySeconds < to; day++) {
      if (!isWeekday(day)) continue
      const { opens, closes } = hoursOf(day, isExtended ? extended : regular)
      const size = sizes[interval]
      if (opens > now) continue
      if (size === undefined) starts.push(day * daySeconds)
      else for (let epoch = opens; epoch < closes && epoch <= now; epoch += size) starts.push(epoch)
    }
  }
  if (earlyDay !== null) addDays(earlyDay, Math.min(earlyDay + earlyDays, firstDay - 1))
  addDays(firstDay, Number.POSITIVE_INFINITY)
  return starts.filter((epoch) => epoch >= from && epoch < to)
}

function barsOf(world: World, { interval, extendedHours, from, to }: CandleQuery): Bar[] {
  const { now } = world
  const told = world.splits.filter(({ knownAt }) => knownAt <= now)
  const paid = world.dividends.filter(({ knownAt }) => knownAt <= now)
  const faults = world.faults.filter(({ until }) => now < until)
  const size = sizes[interval]
  return startsIn(world, interval, extendedHours, { from, to }).flatMap((epoch) => {
    const day = Math.floor(epoch / daySeconds)
    const ends = size === undefined ? hoursOf(day, regular).closes : epoch + size
    const fault = faults.find((each) => epoch >= each.from && epoch < each.to)?.kind
    if (fault === 'missing') return []
    const key = [size ?? 0, Math.floor(epoch / 60), now < ends ? now : 0, fault === 'other' ? 1 : 0]
    const factor = told.reduce((product, split) => (split.day > day ? product / split.ratio : product), 100)
    const left = paid.reduce((share, { day: ex, amount }) => (ex > day ? share * (1 - amount / 100) : share), 1)
    const [open, close] = [factor * (1 + noise(...key, 1)), factor * (1 + noise(...key, 2))]
    const chance = noise(...key, 3)
    return {
      ...{ epoch, open, close, high: Math.max(open, close) * 1.01, low: Math.min(open, close) / 3 },
      volume: chance < 0.1 ? null : Math.round(chance * 1e6),
      closed: now >= ends,
      adjustedClose: size === undefined ? close * left : null,
      isUsable: fault !== 'unusable',
    }
  })
}

/** `world`: as it is when the source is asked. `calls`: counts up. */
export function madeSource(world: () => World): MarketSource & { calls: number } {
  const hours = (isExtended: boolean): TradingHours => {
    const { now } = world()
    const today = Math.floor(now / daySeconds)
    const times = isExtended ? extended : regular
    for (let day = today; ; day--) {
      const found = hoursOf(day, times)
      if (isWeekday(day) && found.opens <= now) return found
    }
  }
  const source = {
    name: 'YAHOO' as const,
    calls: 0,
    async candles(query: CandleQuery): Promise<CandleBatch> {
      source.calls++
      const seen = world()
      const bars = barsOf(seen, query)
      const known = <T extends { day: number; knownAt: number }>(actions: readonly T[]): T[] =>
        actions.filter(({ day, knownAt }) => {
          const date = day * daySeconds
          return isDaily(query.interval) && knownAt <= seen.now && date >= query.from && date < query.to
        })
      const actions: CorporateActions = {
        splits: known(seen.splits).map(({ day, ratio }) => ({
          ...{ epoch: day * daySeconds, numerator: ratio, denominator: 1 },
        })),
        dividends: known(seen.dividends).map(({ day, amount }) => ({
          ...{ epoch: day * daySeconds, amount, currency: null },
        })),
      }
      const current = hours(query.extendedHours)
      const session = hoursOf(Math.floor(current.opens / daySeconds), regular)
      return {
        candles: bars.filter(({ isUsable }) => isUsable).map(({ isUsable, ...candle }) => candle),
        excluded: bars.filter(({ isUsable }) => !isUsable).map(({ epoch }) => epoch),
        ...actions,
        finalBefore: finalBefore(query.interval, current, 'UTC', seen.now),
        facts: {
          timezone: 'UTC',
          currency: seen.currency,
          firstTradeEpoch: hoursOf(seen.earlyDay ?? seen.firstDay, regular).opens,
          sessionOpens: session.opens,
          sessionCloses: session.closes,
          hours: current,
        },
      }
    },
    reachDays: (interval: string) => reaches[interval] ?? null,
    spanSeconds,
    listings: async () => new Map(),
    search: async () => [],
    openLive: () => ({ watch: () => {}, stop: async () => {} }),
  }
  return source
}
