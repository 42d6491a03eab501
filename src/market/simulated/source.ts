import type { SourceCandle } from '../../domain/candle.ts'
import { symbolNotFound } from '../../domain/errors.ts'
import type { Instrument, InstrumentMatch } from '../../domain/instrument.ts'
import type { Listing } from '../../domain/quote.ts'
import { intervalSeconds, isDaily, type SourceInterval } from '../../domain/time/interval.ts'
import { dayMs, daySeconds, minuteMs } from '../../domain/time/units.ts'
import type { CandleBatch, CandleQuery, MarketSource, SourceFacts } from '../source.ts'
import type { Bar } from './bars.ts'
import { candleSpans } from './candle-spans.ts'
import { asOf, simulatedActions, toDividend } from './corporate-actions.ts'
import { simulatedFeed } from './feed.ts'
import { type SimulatedInstrument, simulatedInstruments } from './instruments/instruments.ts'
import { simulatedListing } from './listing.ts'
import { historyStart, simulatedPrices } from './prices.ts'
import type { Stretch, TradingDay } from './trading-hours.ts'
import type { SimulatedHours } from './walks/rhythm.ts'
import { firstDay } from './walks/walks.ts'

export interface SimulatedOptions {
  /** How many symbols the market has: real names first, then SIM0001 upwards. */
  readonly symbolCount: number
  /** Live updates of each watched symbol, from above 0 (0.1 is one in ten seconds) to 5,000. */
  readonly ticksPerSecond: number
  readonly hours?: SimulatedHours
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Another seed is another market. */
  readonly seed?: number
}

/** By then, every exchange has had a session. */
const everQuotedMs = (historyStart + 7 * daySeconds) * 1000

/**
 * A made-up market that needs no network. Every price is a pure function of seed, symbol and time since 2015-01-01, so
 * a restart changes nothing.
 */
export function simulatedSource({
  symbolCount,
  ticksPerSecond,
  hours = 'always',
  now = Date.now,
  seed = 1,
}: SimulatedOptions): MarketSource {
  const instruments = simulatedInstruments(symbolCount, seed, hours)
  const prices = simulatedPrices(hours)
  const actions = simulatedActions(prices)
  const all = [...instruments.values()]

  function listing(of: SimulatedInstrument, timeMs: number): Listing {
    if (timeMs < everQuotedMs && timeMs < firstQuoteMs(of)) return { instrument: of.instrument, quote: null }
    return simulatedListing(asOf(of, timeMs), prices.minuteAt(of, timeMs), timeMs, Math.floor(now()))
  }

  /** Before its first session, the market has no price. */
  function firstQuoteMs(of: SimulatedInstrument): number {
    return hours === 'always' ? historyStart * 1000 : opensMs(firstSession(of))
  }

  function firstSession(of: SimulatedInstrument): TradingDay {
    for (let day = firstDay; ; day++) {
      const found = prices.hoursOf(of).on(day)
      if (found) return found
    }
  }

  async function listings(symbols: readonly string[]): Promise<ReadonlyMap<string, Listing>> {
    const found = new Map<string, Listing>()
    const timeMs = Math.floor(now())
    for (const symbol of symbols) {
      const of = instruments.get(symbol)
      if (of) found.set(symbol, listing(of, timeMs))
    }
    return found
  }

  async function search(text: string, limit: number): Promise<readonly InstrumentMatch[]> {
    const wanted = text.toUpperCase()
    const fits = ({ symbol, name }: Instrument) =>
      symbol.startsWith(wanted) || (name ?? '').toUpperCase().includes(wanted)
    const found = all.map(({ instrument }) => instrument).filter(fits)
    // Stable: the market's own order within the two groups.
    found.sort((a, b) => Number(b.symbol.startsWith(wanted)) - Number(a.symbol.startsWith(wanted)))
    return found
      .slice(0, limit)
      .map(({ symbol, name, kind, exchange }) => ({ symbol, name, kind, exchange: exchange?.name ?? null }))
  }

  async function candles(query: CandleQuery): Promise<CandleBatch> {
    const known = instruments.get(query.symbol)
    if (!known) throw symbolNotFound(query.symbol)
    const nowMs = Math.floor(now())
    const of = asOf(known, nowMs)
    const daily = isDaily(query.interval)
    const pending = pendingDay(of, nowMs)
    const hoursOfSeries = query.extendedHours && !daily ? pending.stretches : pending.regular
    const opens = startOf(hoursOfSeries)
    const startsDay = daily || hours === 'always'
    return {
      candles: daily ? dailyRows(of, query, nowMs) : rows(of, query, nowMs),
      excluded: [],
      ...(daily ? actionsIn(of, query, nowMs) : { dividends: [], splits: [] }),
      finalBefore: startsDay
        ? pending.day * daySeconds
        : Math.min(startOf(pending.stretches), Math.floor(nowMs / 1000)),
      facts: factsOf(of, pending, { opens, closes: endOf(hoursOfSeries) }),
    }
  }

  /** The first day whose trading has not ended. */
  function pendingDay(of: SimulatedInstrument, nowMs: number): TradingDay {
    const hoursOf = prices.hoursOf(of)
    for (let day = Math.max(firstDay, Math.floor(nowMs / dayMs) - 1); ; day++) {
      const found = hoursOf.on(day)
      if (found && endOf(found.stretches) * 1000 > nowMs) return found
    }
  }

  function factsOf(of: SimulatedInstrument, { regular }: TradingDay, series: SourceFacts['hours']): SourceFacts {
    return {
      timezone: prices.hoursOf(of).timezone,
      currency: of.instrument.currency,
      firstTradeEpoch: historyStart,
      sessionOpens: startOf(regular),
      sessionCloses: endOf(regular),
      exchange: of.instrument.exchange?.code ?? null,
      hours: series,
    }
  }

  function rows(
    of: SimulatedInstrument,
    { interval, extendedHours, from, to }: CandleQuery,
    nowMs: number,
  ): SourceCandle[] {
    const found: SourceCandle[] = []
    const begun = { interval, extendedHours, from: Math.max(from, historyStart), to: Math.min(to, nowMs / 1000 + 1) }
    for (const span of candleSpans(prices.hoursOf(of), begun)) {
      if (span.from * minuteMs > nowMs) break
      const closed = span.to * minuteMs <= nowMs
      const bar = closed ? prices.bar(of, span) : prices.openBar(of, span, nowMs)
      found.push(toCandle(bar, span.from * 60, closed, of, null))
    }
    return found
  }

  function dailyRows(of: SimulatedInstrument, { from, to }: CandleQuery, nowMs: number): SourceCandle[] {
    const found: SourceCandle[] = []
    const hoursOf = prices.hoursOf(of)
    const first = Math.max(firstDay, Math.ceil(from / daySeconds))
    const remaining = actions.remaining(of, dayAfter(of, nowMs))
    for (let day = lastDay(of, to, nowMs); day >= first; day--) {
      const tradingDay = hoursOf.on(day)
      if (!tradingDay || opensMs(tradingDay) > nowMs) continue
      const closed = endOf(tradingDay.regular) * 1000 <= nowMs
      const bar = closed ? prices.day(of, day) : prices.openDay(of, nowMs)
      if (bar) found.push(toCandle(bar, day * daySeconds, closed, of, remaining(day)))
    }
    return found.reverse()
  }

  /** The day after the newest ex-date that has come: a session of a date may begin on the day before. */
  function dayAfter(of: SimulatedInstrument, nowMs: number): number {
    const hoursOf = prices.hoursOf(of)
    let day = Math.floor(nowMs / dayMs) + 2
    for (; day > firstDay; day--) {
      const found = hoursOf.on(day - 1)
      if (found && opensMs(found) <= nowMs) break
    }
    return day
  }

  const lastDay = (of: SimulatedInstrument, to: number, nowMs: number): number =>
    Math.min(Math.ceil(to / daySeconds), dayAfter(of, nowMs)) - 1

  function actionsIn(of: SimulatedInstrument, { from, to }: CandleQuery, nowMs: number) {
    const end = Math.min(Math.ceil(to / daySeconds), dayAfter(of, nowMs))
    return {
      dividends: actions.dividends(of, Math.ceil(from / daySeconds), end).map((each) => toDividend(of, each)),
      splits: of.splits.filter(({ epoch }) => epoch >= from && epoch < to && epoch * 1000 <= nowMs),
    }
  }

  return {
    name: 'SIMULATED',
    listings,
    candles,
    search,
    *instruments() {
      const minute = Math.floor(now() / minuteMs)
      for (const of of all) yield prices.instrumentAt(of, minute)
    },
    reachDays: () => null,
    spanSeconds: (interval, count) => (hours === 'always' ? spanOf(interval, count) : spanWithPauses(interval, count)),
    openLive: (sink) =>
      simulatedFeed({
        sink,
        ticksPerSecond,
        now,
        find: (symbol) => instruments.get(symbol),
        listing,
        ...(hours === 'always' ? {} : { trades: (of, timeMs) => prices.minuteAt(of, timeMs).isRunning }),
      }),
  }
}

const startOf = (stretches: readonly Stretch[]): number => (stretches[0]?.from ?? 0) * 60
const endOf = (stretches: readonly Stretch[]): number => (stretches.at(-1)?.to ?? 0) * 60
const opensMs = ({ regular }: TradingDay): number => startOf(regular) * 1000

// A range may include dates that have begun somewhere on earth, for which there is no candle here yet.
const spanOf = (interval: SourceInterval, count: number): number =>
  (isDaily(interval) ? count + 1 : count) * intervalSeconds(interval)

/** The shortest session, of Hong Kong, has five and a half hours; holidays may close an exchange for ten days. */
function spanWithPauses(interval: SourceInterval, count: number): number {
  const perDay = isDaily(interval) ? 1 : Math.floor((4 * 3600) / intervalSeconds(interval))
  const days = Math.ceil(count / perDay)
  return (Math.ceil((days * 7) / 5 + days / 8) + 12) * daySeconds
}

function toCandle(
  { open, high, low, close, volume }: Bar,
  epoch: number,
  closed: boolean,
  { stepsPerUnit, splitsAhead, hasVolume }: SimulatedInstrument,
  remaining: number | null,
): SourceCandle {
  return {
    epoch,
    open: open / stepsPerUnit,
    high: high / stepsPerUnit,
    low: low / stepsPerUnit,
    close: close / stepsPerUnit,
    volume: hasVolume ? Math.round(volume / splitsAhead) : null,
    closed,
    adjustedClose: remaining === null ? null : (close / stepsPerUnit) * remaining,
  }
}
