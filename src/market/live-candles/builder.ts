import type { Candle, CandleSeries } from '../../domain/candle.ts'
import type { CandleUpdateKind } from '../../domain/candle-update.ts'
import { type Interval, intervalSeconds, isDaily } from '../../domain/interval.ts'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { isSameTrade, type Quote } from '../../domain/quote.ts'
import { minuteMs } from '../../domain/time.ts'
import { DayVolume } from '../quotes/day-volume.ts'
import { openLifetimeMs, settleSeconds } from '../source.ts'
import { CandleChecks } from './checks.ts'
import { CandleGrid } from './grid.ts'
import { completed, isSameCandle, type LiveCandle, opened, plain, withPrice } from './live-candle.ts'

export interface CandleChange extends LiveCandle {
  readonly kind: CandleUpdateKind
  /** The candles before it are the first `index` of these, oldest first. */
  readonly history: readonly LiveCandle[]
  readonly index: number
}

/** What all candles of a series have in common at a time. */
export interface SeriesNow
  extends Pick<
    CandleSeries,
    'symbol' | 'interval' | 'extendedHours' | 'source' | 'stale' | 'failure' | 'receivedAtMs' | 'sessions'
  > {
  /** There is no candle before the first of the history. */
  readonly isWhole: boolean
  /** There is one before it. */
  readonly hasEarlier: boolean
}

/**
 * The candles of one series as they form: begun by what the source tells of them, continued by prices, closed by the clock or by
 * the first price of the next one, and put right by what the source tells later. Of a candle that is closed every change is a
 * CLOSE. No I/O, no clock: times are passed in as epoch milliseconds.
 */
export class LiveCandleBuilder {
  readonly checks: CandleChecks
  readonly #interval: Interval
  readonly #extendedHours: boolean
  #grid: CandleGrid
  /** Closed, oldest first. Never changed, but replaced: what was told of a candle keeps those before it. */
  #past: readonly LiveCandle[] = []
  /** The newest, be it closed. */
  #current: LiveCandle | undefined
  /** What the source told last. */
  #series: CandleSeries
  /** There is no candle before all of these. */
  #isWhole = false
  /** There is one before all of these. */
  #hasEarlier = false
  readonly #volume = new DayVolume()
  #last: Quote | undefined
  /** How late prices are. */
  #delayMs: number
  #date: number | undefined

  /** `series`: of which candles, and what else the source tells of them; the candles themselves are adopted. */
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

  /** Whether so many candles before the newest are here, or all there are. */
  reaches(count: number): boolean {
    return this.#isWhole || this.#past.length >= count
  }

  /** When the time of the candle that forms is over; infinite: none does. */
  get endMs(): number {
    if (!this.#current || this.#current.candle.closed) return Number.POSITIVE_INFINITY
    return this.#endMsOf(this.#current.candle.epoch)
  }

  /** That of the newest price that went into a candle, by the exchange's calendar. A new one may bring a split, which changes all candles. */
  get date(): number | undefined {
    return this.#date
  }

  /** What a price changes. */
  price({ kind, quote }: PriceUpdate, nowMs: number): CandleChange[] {
    const last = this.#last
    this.#last = quote
    this.#delayMs = (quote.delayMinutes ?? 0) * minuteMs
    if (kind === 'SNAPSHOT' && last) this.#missed(nowMs)
    const traded = this.#volume.since(quote)
    if (kind === 'STATUS' || (last && isSameTrade(last, quote))) return []
    const epoch = this.#grid.startOf(quote)
    if (epoch === null) return []
    // It need not be new, and what is over the source has told already.
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

  /** Closes the candle whose time is over. */
  pass(nowMs: number): CandleChange[] {
    return this.endMs <= nowMs ? this.#close(nowMs) : []
  }

  /**
   * Takes over what the source tells, all of a range up to the present, when it was asked. Candles that were not known, but lie
   * after the first that was, were missed; closed ones become what the source says they were, silently where nobody waits for
   * that any more; into the one that forms goes what it lacks.
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

  /** Forgets what lies further back than so many candles before the newest, and is not to be compared any more. */
  trim(count: number): void {
    const { oldest } = this.checks
    const compared = this.#past.findIndex(({ candle }) => candle.epoch >= oldest)
    const start = Math.min(this.#past.length - count, compared === -1 ? this.#past.length : compared)
    if (start <= 0) return
    this.#past = this.#past.slice(start)
    this.#isWhole = false
    this.#hasEarlier = true
  }

  /** Prices may lack since the last one: what there is since the last candle that was closed is to be looked up. */
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

  /** Of what came before the last candle but one the source knows better. */
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
    // The source has had its last word.
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

  /** Both in one order; `kind`: what there is to be told of a candle. */
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
        // One that another follows does not form any more.
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

  /** What the source told just now may not have been its last word. */
  #doubtLastClosed(nowMs: number): void {
    const last = this.candles.findLast(({ candle }) => candle.closed)
    if (!last || nowMs - this.#endMsOf(last.candle.epoch) > settleSeconds * 1000) return
    this.checks.closed(last.candle.epoch, nowMs)
  }

  /** Where prices are late, so is the end of a candle that the source takes for closed. */
  #isClosed({ epoch, closed }: Candle, nowMs: number): boolean {
    return closed && (isDaily(this.#interval) || this.#endMsOf(epoch) <= nowMs)
  }

  /**
   * Whether the source knew all of a candle when it was asked. What it takes for closed may have been asked for while the candle
   * formed; what it does not may be as old as open ends are kept, and where the source was not reached, of any age.
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
