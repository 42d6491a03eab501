import type { Candle, CandleSeries } from '../../domain/candle.ts'
import type { CandleUpdateKind } from '../../domain/candle-update.ts'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { isSameTrade, type Quote } from '../../domain/quote.ts'
import { type Interval, intervalSeconds, isDaily } from '../../domain/time/interval.ts'
import { minuteMs } from '../../domain/time/units.ts'
import { DayVolume } from '../quotes/day-volume.ts'
import { openLifetimeMs, settleSeconds } from '../source.ts'
import { CandleChecks } from './checks.ts'
import { CandleGrid } from './grid.ts'
import { completed, isSameCandle, type LiveCandle, opened, plain, withPrice } from './live-candle.ts'

export interface CandleChange extends LiveCandle {
  readonly kind: CandleUpdateKind
  /** The first `index` of these are the candles before this one, oldest first. */
  readonly history: readonly LiveCandle[]
  readonly index: number
}

/** What all candles of a series have in common at a moment. */
export interface SeriesNow
  extends Pick<
    CandleSeries,
    'symbol' | 'interval' | 'extendedHours' | 'source' | 'stale' | 'failure' | 'receivedAtMs' | 'sessions'
  > {
  /** There is no candle before the first of the history. */
  readonly isWhole: boolean
  /** There are candles before the first of the history. */
  readonly hasEarlier: boolean
}

/**
 * Builds the candles of one series as they form. The source's candles begin it, prices continue it, the clock or the
 * first price of the next candle closes a candle, and later answers of the source correct it. Every change of a closed
 * candle is a CLOSE. Pure: no I/O and no clock, times are passed in as epoch milliseconds.
 */
export class LiveCandleBuilder {
  readonly checks: CandleChecks
  readonly #interval: Interval
  readonly #extendedHours: boolean
  #grid: CandleGrid
  /**
   * Closed candles, oldest first. Replaced and never mutated: updates that were sent keep the history they refer to.
   */
  #past: readonly LiveCandle[] = []
  /** The newest candle, closed or not. */
  #current: LiveCandle | undefined
  /** The source's last answer. */
  #series: CandleSeries
  /** There is no candle before these. */
  #isWhole = false
  /** There are candles before these. */
  #hasEarlier = false
  readonly #volume = new DayVolume()
  #last: Quote | undefined
  /** How late prices arrive. */
  #delayMs: number
  #date: number | undefined

  /** `series`: the series and the facts about it; its candles are taken over by `adopt`. */
  constructor(series: CandleSeries, extendedHours: boolean, delayMinutes: number | null) {
    this.#series = series
    this.#delayMs = (delayMinutes ?? 0) * minuteMs
    this.#interval = series.interval
    this.#extendedHours = extendedHours
    this.#grid = new CandleGrid(series.interval, extendedHours, series.sessions)
    this.checks = new CandleChecks(series.interval)
  }

  /** All candles, oldest first. */
  get candles(): readonly LiveCandle[] {
    return this.#current ? [...this.#past, this.#current] : this.#past
  }

  get now(): SeriesNow {
    const { symbol, interval, extendedHours, source, sessions, stale, failure, receivedAtMs } = this.#series
    return {
      symbol,
      interval,
      extendedHours,
      failure,
      source,
      sessions,
      isWhole: this.#isWhole,
      hasEarlier: this.#hasEarlier,
      stale: stale || this.#last?.stale === true,
      receivedAtMs: Math.max(receivedAtMs, this.#last?.receivedAtMs ?? 0),
    }
  }

  /** Whether at least `count` candles before the newest are here, or all there are. */
  reaches(count: number): boolean {
    return this.#isWhole || this.#past.length >= count
  }

  /** When the time of the forming candle is over; infinite if none forms. */
  get endMs(): number {
    if (!this.#current || this.#current.candle.closed) return Number.POSITIVE_INFINITY
    return this.#endMsOf(this.#current.candle.epoch)
  }

  /**
   * The trading date of the newest price that went into a candle. A new date may bring a split, which changes all
   * candles.
   */
  get date(): number | undefined {
    return this.#date
  }

  /** Applies a price and returns the changes. */
  price({ kind, quote }: PriceUpdate, nowMs: number): CandleChange[] {
    const last = this.#last
    this.#last = quote
    this.#delayMs = (quote.delayMinutes ?? 0) * minuteMs
    if (kind === 'SNAPSHOT' && last) this.#missed(nowMs)
    const traded = this.#volume.since(quote)
    if (kind === 'STATUS' || (last && isSameTrade(last, quote))) return []
    const epoch = this.#grid.startOf(quote)
    if (epoch === null) return []
    // A snapshot's price may be old, and the source has already sent candles that are over.
    if (kind === 'SNAPSHOT' && this.#endMsOf(epoch) <= nowMs) return []
    const current = this.#current
    if (current && epoch < current.candle.epoch) return this.#late(epoch, quote, traded, nowMs)
    const changes =
      current?.candle.epoch === epoch
        ? this.#revise(current, this.#past.length, quote, traded)
        : this.#open(epoch, quote, traded, nowMs)
    this.#seeDate(quote, nowMs)
    return changes
  }

  /** Closes the forming candle if its time is over. */
  pass(nowMs: number): CandleChange[] {
    return this.endMs <= nowMs ? this.#close(nowMs) : []
  }

  /**
   * Takes over the source's answer, which covers a range up to the moment it was asked. Unknown candles after the first
   * known one were missed and become updates. Closed candles become what the source says; this stays silent for candles
   * whose check is over. The forming candle gets what it lacks.
   */
  adopt(series: CandleSeries, askedMs: number, nowMs: number): CandleChange[] {
    this.#series = series
    this.#grid = new CandleGrid(this.#interval, this.#extendedHours, series.sessions)
    const sent = [...series.earlier, ...series.nodes]
    const isOvertaken = this.#current && (sent.at(-1)?.epoch ?? 0) > this.#current.candle.epoch
    const changes = isOvertaken ? this.#close(nowMs) : []
    const known = this.candles
    const first = known[0]?.candle.epoch ?? Number.POSITIVE_INFINITY
    if (sent[0] && sent[0].epoch <= first) {
      this.#isWhole = series.isWhole
      this.#hasEarlier = series.earlier.length === 0 && series.hasEarlier
    }
    const told = this.#merge(known, sent, askedMs, nowMs)
    this.#past = told.slice(0, -1).map(({ kind, ...live }) => live)
    const newest = told.at(-1)
    this.#current = newest && { candle: newest.candle, revision: newest.revision, pricedMs: newest.pricedMs }
    if (known.length === 0) this.#doubtLastClosed(nowMs)
    for (const candle of sent) if (this.#isFinal(candle, askedMs)) this.checks.confirm(candle.epoch, nowMs)
    const history = this.#past
    const found = told.flatMap(({ kind, ...live }, index) => (kind ? [{ ...live, kind, history, index }] : []))
    return [...changes, ...found]
  }

  /** Forgets candles further back than `count` before the newest, unless they are still to be compared. */
  trim(count: number): void {
    const { oldest } = this.checks
    const compared = this.#past.findIndex(({ candle }) => candle.epoch >= oldest)
    const start = Math.min(this.#past.length - count, compared === -1 ? this.#past.length : compared)
    if (start <= 0) return
    this.#past = this.#past.slice(start)
    this.#isWhole = false
    this.#hasEarlier = true
  }

  /** Prices since the last one may be lost, so everything since the last closed candle is looked up. */
  #missed(nowMs: number): void {
    const since = this.#past.at(-1) ?? this.#current
    if (since) this.checks.missedSince(since.candle.epoch, nowMs)
  }

  #open(epoch: number, quote: Quote, traded: number | null, nowMs: number): CandleChange[] {
    const changes = this.#close(nowMs)
    const before = this.#current
    if (before) {
      this.#past = [...this.#past, before]
      // Either nothing was traded in between, or prices were missed.
      const isNext = epoch <= before.candle.epoch + intervalSeconds(this.#interval)
      if (!isNext) this.checks.closed(before.candle.epoch, nowMs)
    }
    this.#current = { candle: opened(epoch, quote, traded), revision: 1, pricedMs: quote.timeMs }
    return [...changes, this.#change('UPDATE', this.#current, this.#past.length)]
  }

  #close(nowMs: number): CandleChange[] {
    const current = this.#current
    if (!current || current.candle.closed) return []
    this.#current = { ...current, candle: { ...current.candle, closed: true }, revision: current.revision + 1 }
    this.checks.closed(current.candle.epoch, nowMs)
    return [this.#change('CLOSE', this.#current, this.#past.length)]
  }

  /** A price for an older candle. The source knows better about candles before the last but one. */
  #late(epoch: number, quote: Quote, traded: number | null, nowMs: number): CandleChange[] {
    const index = this.#past.length - 1
    const previous = this.#past[index]
    if (!previous || epoch < previous.candle.epoch) return []
    if (epoch === previous.candle.epoch) return this.#revise(previous, index, quote, traded)
    const candle = { ...opened(epoch, quote, traded), closed: true }
    const live = { candle, revision: 1, pricedMs: quote.timeMs }
    this.#past = [...this.#past, live]
    this.checks.closed(epoch, nowMs)
    return [this.#change('CLOSE', live, index + 1)]
  }

  #revise(live: LiveCandle, index: number, quote: Quote, traded: number | null): CandleChange[] {
    const { closed, epoch } = live.candle
    // The source has already had its last word on this candle.
    if (closed && !this.checks.has(epoch)) return []
    const pricedMs = Math.max(live.pricedMs, quote.timeMs)
    const candle = withPrice(live, quote, traded)
    const isSame = isSameCandle(candle, live.candle)
    const next = { candle, revision: live.revision + (isSame ? 0 : 1), pricedMs }
    if (index === this.#past.length) this.#current = next
    else this.#past = this.#past.with(index, next)
    return isSame ? [] : [this.#change(closed ? 'CLOSE' : 'UPDATE', next, index)]
  }

  #change(kind: CandleUpdateKind, live: LiveCandle, index: number): CandleChange {
    return { ...live, kind, history: this.#past, index }
  }

  /** Merges both, oldest first. `kind`: which update to send for the candle; null: none. */
  #merge(known: readonly LiveCandle[], sent: readonly Candle[], askedMs: number, nowMs: number): Told[] {
    const all: Told[] = []
    let [i, j] = [0, 0]
    while (i < known.length || j < sent.length) {
      const ours = known[i]
      const theirs = sent[j]
      const oursFirst = ours ? ours.candle.epoch : Number.POSITIVE_INFINITY
      const theirsFirst = theirs ? theirs.epoch : Number.POSITIVE_INFINITY
      if (oursFirst <= theirsFirst) i++
      if (theirsFirst <= oursFirst) j++
      if (ours && theirs && oursFirst === theirsFirst) all.push(this.#reconciled(ours, theirs, askedMs, nowMs))
      else if (ours && oursFirst < theirsFirst) all.push({ ...ours, kind: null })
      else if (theirs) {
        // A candle that is followed by another one no longer forms.
        const closed = i < known.length || j < sent.length || this.#isClosed(theirs, nowMs)
        all.push(this.#unknown(plain(theirs, closed), i > 0, nowMs))
      }
    }
    return all
  }

  #unknown(candle: Candle, wasMissed: boolean, nowMs: number): Told {
    if (wasMissed && candle.closed) this.checks.closed(candle.epoch, nowMs)
    const kind = candle.closed ? 'CLOSE' : 'UPDATE'
    return { candle, revision: 1, pricedMs: Number.NEGATIVE_INFINITY, kind: wasMissed ? kind : null }
  }

  #reconciled(ours: LiveCandle, sent: Candle, askedMs: number, nowMs: number): Told {
    const { candle } = ours
    const isDoubted = this.checks.has(candle.epoch)
    let next = candle
    if (candle.closed) next = this.#isFinal(sent, askedMs) ? plain(sent, true) : candle
    else if (this.#isClosed(sent, nowMs)) next = plain(sent, true)
    else next = completed(ours, sent)
    if (isSameCandle(next, candle)) return { ...ours, kind: null }
    if (next.closed && !candle.closed) this.checks.closed(candle.epoch, nowMs)
    const isTold = isDoubted || !candle.closed
    const kind = next.closed ? 'CLOSE' : 'UPDATE'
    return { ...ours, candle: next, revision: ours.revision + 1, kind: isTold ? kind : null }
  }

  /** The source's answer about the last closed candle may not be final yet. */
  #doubtLastClosed(nowMs: number): void {
    const last = this.candles.findLast(({ candle }) => candle.closed)
    if (!last || nowMs - this.#endMsOf(last.candle.epoch) > settleSeconds * 1000) return
    this.checks.closed(last.candle.epoch, nowMs)
  }

  /** If prices arrive late, a candle ends later than the source thinks. */
  #isClosed({ epoch, closed }: Candle, nowMs: number): boolean {
    return closed && (isDaily(this.#interval) || this.#endMsOf(epoch) <= nowMs)
  }

  /**
   * Whether the source knew the whole candle when it was asked. A candle that it calls closed may have been fetched
   * while it formed; any other may be as old as an open end is kept, or of any age if the source could not be reached.
   */
  #isFinal({ epoch, closed }: Candle, askedMs: number): boolean {
    if (closed && isDaily(this.#interval)) return true
    const ageMs = this.#series.stale ? Number.POSITIVE_INFINITY : openLifetimeMs(this.#interval)
    return this.#endMsOf(epoch) <= askedMs - (closed ? 0 : ageMs)
  }

  #endMsOf(epoch: number): number {
    return this.#grid.endOf(epoch) * 1000 + this.#delayMs
  }

  #seeDate({ timeMs }: Quote, nowMs: number): void {
    const date = this.#grid.dateOf(Math.floor(timeMs / 1000))
    const since = this.#past.at(-1) ?? this.#current
    if (this.#date !== undefined && date > this.#date && since) this.checks.closed(since.candle.epoch, nowMs)
    this.#date = Math.max(date, this.#date ?? date)
  }
}

type Told = LiveCandle & { readonly kind: CandleUpdateKind | null }
