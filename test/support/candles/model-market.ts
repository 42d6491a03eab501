import type { Adjustment, Candle, CandleRequest, SourceCandle } from '../../../src/domain/candle.ts'
import { type Interval, isDaily, type SourceInterval, sourceInterval } from '../../../src/domain/time/interval.ts'
import type { CandleBatch, CandleQuery, MarketSource } from '../../../src/market/source.ts'
import { finalBefore } from '../../../src/market/yahoo/hours.ts'
import { reachDays, spanSeconds } from '../../../src/market/yahoo/interval.ts'

/** A calendar and a history that are made up, by which answers can be reckoned without a source or a store. Days count from 1970. */
export interface Model {
  readonly timezone: string
  /** Seconds after midnight on the exchange's clock. */
  readonly opens: number
  readonly closes: number
  readonly firstDay: number
  readonly lastDay: number
  readonly holidays: ReadonlySet<number>
  /** Of these the session ends halfway. */
  readonly halfDays: ReadonlySet<number>
  readonly splits: readonly { readonly day: number; readonly ratio: number }[]
  /** `share` of the last close before the day. */
  readonly dividends: readonly { readonly day: number; readonly share: number }[]
  /** How late the source is with prices. */
  readonly delaySeconds: number
  /**
   * Rows that the source lacks, sends without prices or sends with half their volume until so many days after the
   * beginning of their date. Absent: none.
   */
  readonly unsettled?: { readonly share: number; readonly days: number }
  readonly seed: number
}

/** A question to the source, and when it was asked, in epoch seconds. */
export interface AskedQuery extends CandleQuery {
  readonly at: number
}

const daySeconds = 86_400
const sizes: Readonly<Record<SourceInterval, number>> = {
  MINUTE_1: 60,
  MINUTE_2: 120,
  MINUTE_5: 300,
  MINUTE_15: 900,
  HOUR_1: 3600,
  DAY_1: daySeconds,
}

interface Session {
  readonly day: number
  /** Epoch seconds. */
  readonly start: number
  readonly end: number
}

export function sessionsOf(model: Model): Session[] {
  const sessions: Session[] = []
  for (let day = model.firstDay; day <= model.lastDay; day++) {
    const weekday = (day + 4) % 7
    if (weekday === 0 || weekday === 6 || model.holidays.has(day)) continue
    const closes = model.halfDays.has(day) ? (model.opens + model.closes) / 2 : model.closes
    sessions.push({ day, start: instant(model.timezone, day, model.opens), end: instant(model.timezone, day, closes) })
  }
  return sessions
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** When the exchange's clock shows so many seconds after midnight of a day. */
function instant(timeZone: string, day: number, seconds: number): number {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
  formats.set(timeZone, format)
  const wanted = day * daySeconds + seconds
  const shown = (epoch: number): number => {
    const [date = '', time = ''] = format.format(epoch * 1000).split(', ')
    const [d, m, y] = date.split('/')
    return Date.parse(`${y}-${m}-${d}T${time}Z`) / 1000
  }
  let epoch = wanted
  for (let i = 0; i < 3; i++) epoch += wanted - shown(epoch)
  return epoch
}

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

const started = (sessions: readonly Session[], day: number): number =>
  sessions.find((session) => session.day >= day)?.start ?? Number.POSITIVE_INFINITY

interface Bar extends Omit<SourceCandle, 'closed'> {
  readonly closed: boolean
  readonly day: number
  readonly isUsable: boolean
}

/** What is wrong with a row if it is asked for at a time. */
function faultOf(
  { unsettled, seed }: Model,
  { day, epoch, size }: { day: number; epoch: number; size: number },
  asked: number,
): 'missing' | 'null' | 'volume' | null {
  if (!unsettled || asked >= (day + unsettled.days) * daySeconds) return null
  const chance = noise(seed, size, Math.floor(epoch / 60), 5)
  if (chance >= unsettled.share) return null
  return (['missing', 'null', 'volume'] as const)[Math.floor((chance / unsettled.share) * 3)] ?? null
}

/**
 * All candles that the source has at a time, as it has them then: adjusted for the splits of that time. `askedAt`: when
 * each was asked for.
 */
export function barsOf(
  model: Model,
  interval: SourceInterval,
  now: number,
  askedAt: (epoch: number) => number = () => now,
): Bar[] {
  const sessions = sessionsOf(model)
  const splits = model.splits.filter(({ day }) => started(sessions, day) <= now)
  const dividends = model.dividends.filter(({ day }) => started(sessions, day) <= now)
  const size = sizes[interval]
  const bars: Bar[] = []
  for (const { day, start, end } of sessions) {
    let factor = 100
    for (const split of splits) if (split.day > day) factor /= split.ratio
    let share = 1
    for (const dividend of dividends) if (dividend.day > day) share *= 1 - dividend.share
    const bar = (epoch: number, from: number, to: number, volume: number): void => {
      const seen = now - model.delaySeconds
      if (from > seen) return
      const running = seen < to ? Math.floor(seen / 60) : 0
      const key = [model.seed, size, Math.floor(from / 60), running]
      const fault = faultOf(model, { day, epoch, size }, askedAt(epoch))
      if (fault === 'missing') return
      const open = factor * (1 + noise(...key, 1))
      const close = factor * (1 + noise(...key, 2))
      bars.push({
        epoch,
        day,
        open,
        close,
        high: Math.max(open, close) * 1.01,
        low: Math.min(open, close) * 0.99,
        volume: Math.round((volume * noise(...key, 3) * 100) / factor) / (fault === 'volume' ? 2 : 1),
        closed: now >= to,
        adjustedClose: interval === 'DAY_1' ? close * share : null,
        isUsable: noise(...key, 4) > 0.04 && fault !== 'null',
      })
    }
    if (interval === 'DAY_1') bar(day * daySeconds, start, end, 1e6)
    else for (let from = start; from < end; from += size) bar(from, from, Math.min(from + size, end), 1e4)
  }
  return bars
}

/** The model as a source, which counts how often it is asked. */
export function modelSource(model: Model, now: () => number): MarketSource & { readonly calls: AskedQuery[] } {
  const calls: AskedQuery[] = []
  const sessions = sessionsOf(model)
  const hours = (): { opens: number; closes: number } => {
    const session = sessions.findLast(({ start }) => start <= now()) ?? sessions[0]
    const next = sessions.find(({ start }) => start > now())
    const shown = session && now() < session.end + 6 * 3600 ? session : (next ?? session)
    return { opens: shown?.start ?? 0, closes: shown?.end ?? 0 }
  }
  async function candles(query: CandleQuery): Promise<CandleBatch> {
    calls.push({ ...query, at: now() })
    const isInside = (epoch: number) => epoch >= query.from && epoch < query.to
    const bars = barsOf(model, query.interval, now()).filter(({ epoch }) => isInside(epoch))
    const past = <T extends { day: number }>(actions: readonly T[]) =>
      query.interval === 'DAY_1'
        ? actions.filter(({ day }) => isInside(day * daySeconds) && started(sessions, day) <= now())
        : []
    return {
      candles: bars.filter(({ isUsable }) => isUsable).map(({ day, isUsable, ...candle }) => candle),
      excluded: bars.filter(({ isUsable }) => !isUsable).map(({ epoch }) => epoch),
      splits: past(model.splits).map(({ day, ratio }) => ({
        epoch: day * daySeconds,
        numerator: ratio,
        denominator: 1,
      })),
      dividends: past(model.dividends).map(({ day, share }) => ({
        epoch: day * daySeconds,
        amount: share,
        currency: null,
      })),
      finalBefore: finalBefore(query.interval, hours(), model.timezone, now()),
      facts: {
        timezone: model.timezone,
        currency: 'USD',
        firstTradeEpoch: sessions[0]?.start ?? null,
        sessionOpens: sessions[0]?.start ?? null,
        sessionCloses: sessions[0]?.end ?? null,
        hours: hours(),
      },
    }
  }
  return {
    name: 'YAHOO',
    calls,
    candles,
    reachDays,
    spanSeconds,
    listings: async () => new Map(),
    search: async () => [],
    openLive: () => ({ watch: () => {}, stop: async () => {} }),
  }
}

export interface Expected {
  readonly nodes: readonly Candle[]
  readonly excluded: number
  readonly hasEarlier: boolean
}

/** When a candle was last asked for, in epoch seconds. */
export const lastAsked = (calls: readonly AskedQuery[], interval: SourceInterval, epoch: number): number | undefined =>
  calls.findLast((call) => call.interval === interval && epoch >= call.from && epoch < call.to)?.at

/** What the answer to a request has to be at a time, reckoned from the whole model and from when the source was asked. */
export function expected(model: Model, request: CandleRequest, now: number, calls: readonly AskedQuery[]): Expected {
  const { interval, from, last } = request
  const to = request.to ?? Number.POSITIVE_INFINITY
  const barsAsAsked = (interval: SourceInterval) =>
    barsOf(model, interval, now, (epoch) => lastAsked(calls, interval, epoch) ?? now)
  const bars = barsAsAsked(sourceInterval(interval))
  const days = isDaily(interval) ? bars : barsAsAsked('DAY_1')
  const sessions = sessionsOf(model)
  const splits = model.splits.filter(({ day }) => started(sessions, day) <= now)
  const shares = new Map(days.filter(({ isUsable }) => isUsable).map((day) => [day.day, day]))
  const adjust = (bar: Bar): Candle => {
    const { epoch, volume, closed } = bar
    const priced = (factor: number, exact = bar.close * factor) => ({
      open: bar.open * factor,
      high: bar.high * factor,
      low: bar.low * factor,
      close: exact,
    })
    return { epoch, volume, closed, ...adjustedPrices(bar, priced, request.adjustment), ...asTradedVolume(bar) }
  }
  const ratioAfter = (day: number) =>
    splits.reduce((ratio, split) => (split.day > day ? ratio * split.ratio : ratio), 1)
  const asTradedVolume = ({ day, volume }: Bar) =>
    request.adjustment === 'NONE' ? { volume: volume === null ? null : volume / ratioAfter(day) } : {}
  function adjustedPrices(
    bar: Bar,
    priced: (factor: number, exact?: number) => Pick<Candle, 'open' | 'high' | 'low' | 'close'>,
    adjustment: Adjustment,
  ) {
    if (adjustment === 'SPLITS') return priced(1)
    if (adjustment === 'NONE') return priced(ratioAfter(bar.day))
    if (bar.adjustedClose !== null) return priced(bar.adjustedClose / bar.close, bar.adjustedClose)
    // A day without a usable row is adjusted as the next one, or as the last one there is.
    const itsDay = [...shares.keys()].sort((a, b) => a - b)
    const day = shares.get(itsDay.find((each) => each >= bar.day) ?? itsDay.at(-1) ?? 0)
    return priced(day?.adjustedClose == null ? 1 : day.adjustedClose / day.close)
  }
  const groupOf = grouping(interval, sessions, dateOn(model.timezone, now), now)
  const all = composed(
    bars.filter(({ isUsable }) => isUsable).map((bar) => ({ ...adjust(bar), day: bar.day })),
    groupOf,
  )
  const range = all.filter(({ epoch }) => epoch >= (from ?? Number.NEGATIVE_INFINITY) && epoch < to)
  const nodes = last === null ? range : range.slice(Math.max(0, range.length - last))
  const first = nodes[0]?.epoch ?? from ?? to
  const excludedFrom = from !== null && nodes.length === range.length ? from : first
  return {
    nodes: nodes.map(({ epoch, open, high, low, close, volume, closed }) => ({
      ...{ epoch, open, high, low, close, volume, closed },
    })),
    excluded: bars
      .filter(({ isUsable }) => !isUsable)
      .map((bar) => groupOf(bar)?.start ?? bar.epoch)
      .filter((start) => start >= excludedFrom && start < to).length,
    hasEarlier: all.some(({ epoch }) => epoch < first),
  }
}

type Dated = Candle & { readonly day: number }

type Group = (part: Pick<Dated, 'epoch' | 'day'>) => { start: number; end: number; over: boolean } | null

/** Written out anew: by a key for each group; null where a part stands for itself. */
function grouping(interval: Interval, sessions: readonly Session[], today: number, now: number): Group {
  const opens = new Map(sessions.map(({ day, start }) => [day, start]))
  return ({ epoch, day }) => {
    if (interval === 'WEEK_1') {
      const monday = day - ((day + 3) % 7)
      return { start: monday * daySeconds, end: 0, over: today >= monday + 7 }
    }
    if (interval === 'MONTH_1') {
      const date = new Date(day * daySeconds * 1000)
      const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) / 1000
      date.setUTCDate(1)
      return { start: date.getTime() / 1000, end: 0, over: today * daySeconds >= next }
    }
    if (interval === 'MONTH_3') {
      const date = new Date(day * daySeconds * 1000)
      const [year, quarter] = [date.getUTCFullYear(), Math.floor(date.getUTCMonth() / 3)]
      const over = today * daySeconds >= Date.UTC(year, 3 * quarter + 3) / 1000
      return { start: Date.UTC(year, 3 * quarter) / 1000, end: 0, over }
    }
    const size = { MINUTE_30: 1800, HOUR_2: 7200, HOUR_4: 14_400 }[interval as string]
    if (size === undefined) return null
    const open = opens.get(day) ?? 0
    const start = open + Math.floor((epoch - open) / size) * size
    // When a session ends is known only of the one that the source tells of.
    const bell = day === sessions[0]?.day ? sessions[0].end : Number.POSITIVE_INFINITY
    const end = size === 1800 ? start + size : Math.min(start + size, bell)
    return { start, end, over: now >= end }
  }
}

function composed(parts: readonly Dated[], groupOf: Group) {
  const groups = new Map<number, Dated[]>()
  for (const part of parts) {
    const start = groupOf(part)?.start ?? part.epoch
    groups.set(start, [...(groups.get(start) ?? []), part])
  }
  return [...groups].map(([epoch, members]): Candle => {
    const [first] = members
    const last = members.at(-1)
    if (!first || !last) throw new Error('an empty group')
    const group = groupOf(last)
    const volumes = members.flatMap(({ volume }) => (volume === null ? [] : [volume]))
    return {
      epoch,
      open: first.open,
      high: Math.max(...members.map(({ high }) => high)),
      low: Math.min(...members.map(({ low }) => low)),
      close: last.close,
      volume: volumes.length === 0 ? null : volumes.reduce((a, b) => a + b),
      closed: group === null ? last.closed : group.over && last.closed,
    }
  })
}

function dateOn(timeZone: string, now: number): number {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone }).formatToParts(now * 1000)
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value)
  return Date.UTC(part('year'), part('month') - 1, part('day')) / 1000 / daySeconds
}
