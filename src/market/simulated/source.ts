import type { SourceCandle } from '../../domain/candle.ts'
import { symbolNotFound } from '../../domain/errors.ts'
import type { Instrument, InstrumentMatch } from '../../domain/instrument.ts'
import type { Listing } from '../../domain/quote.ts'
import { intervalSeconds, isDaily } from '../../domain/time/interval.ts'
import { dayMs, daySeconds } from '../../domain/time/units.ts'
import type { CandleBatch, CandleQuery, MarketSource } from '../source.ts'
import type { Bar } from './bars.ts'
import { simulatedFeed } from './feed.ts'
import { type SimulatedInstrument, simulatedInstruments } from './instruments.ts'
import { simulatedListing } from './listing.ts'
import { historyStart, simulatedPrices } from './prices.ts'

export interface SimulatedOptions {
  /** How many symbols the market has: real names first, then SIM0001 upwards. */
  readonly symbolCount: number
  /** Live updates of each watched symbol, from above 0 (0.1 is one in ten seconds) to 5,000. */
  readonly ticksPerSecond: number
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Another seed is another market. */
  readonly seed?: number
}

/**
 * A made-up market that needs no network and never closes. Every price is a pure function of seed, symbol and time
 * since 2015-01-01, so a restart changes nothing.
 */
export function simulatedSource({
  symbolCount,
  ticksPerSecond,
  now = Date.now,
  seed = 1,
}: SimulatedOptions): MarketSource {
  const instruments = simulatedInstruments(symbolCount, seed)
  const prices = simulatedPrices()

  function listing(of: SimulatedInstrument, timeMs: number): Listing {
    if (timeMs < historyStart * 1000) return { instrument: of.instrument, quote: null }
    return simulatedListing(of, prices.minuteAt(of, timeMs), timeMs, Math.floor(now()))
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
    const found = [...instruments.values()].map(({ instrument }) => instrument).filter(fits)
    // Stable: the market's own order within the two groups.
    found.sort((a, b) => Number(b.symbol.startsWith(wanted)) - Number(a.symbol.startsWith(wanted)))
    return found
      .slice(0, limit)
      .map(({ symbol, name, kind, exchange }) => ({ symbol, name, kind, exchange: exchange?.name ?? null }))
  }

  async function candles({ symbol, interval, from, to }: CandleQuery): Promise<CandleBatch> {
    const of = instruments.get(symbol)
    if (!of) throw symbolNotFound(symbol)
    const nowMs = Math.floor(now())
    const size = intervalSeconds(interval)
    const first = Math.ceil(Math.max(from, historyStart) / size) * size
    const rows: SourceCandle[] = []
    for (let epoch = first; epoch < to && epoch * 1000 <= nowMs; epoch += size) {
      const closed = (epoch + size) * 1000 <= nowMs
      const bar = closed ? prices.bar(of, interval, epoch) : prices.openBar(of, interval, nowMs)
      rows.push(toCandle(bar, epoch, closed, of.stepsPerUnit, isDaily(interval)))
    }
    const today = Math.floor(nowMs / dayMs) * daySeconds
    return {
      candles: rows,
      excluded: [],
      dividends: [],
      splits: [],
      finalBefore: today,
      facts: {
        timezone: 'UTC',
        currency: of.instrument.currency,
        firstTradeEpoch: historyStart,
        sessionOpens: today,
        sessionCloses: today + daySeconds,
        hours: { opens: today, closes: today + daySeconds },
      },
    }
  }

  return {
    name: 'SIMULATED',
    listings,
    candles,
    search,
    reachDays: () => null,
    // A range may include dates that have begun somewhere on earth, for which there is no candle here yet.
    spanSeconds: (interval, count) => (isDaily(interval) ? count + 1 : count) * intervalSeconds(interval),
    openLive: (sink) =>
      simulatedFeed({ sink, ticksPerSecond, now, find: (symbol) => instruments.get(symbol), listing }),
  }
}

function toCandle(
  { open, high, low, close, volume }: Bar,
  epoch: number,
  closed: boolean,
  stepsPerUnit: number,
  isDay: boolean,
): SourceCandle {
  return {
    epoch,
    open: open / stepsPerUnit,
    high: high / stepsPerUnit,
    low: low / stepsPerUnit,
    close: close / stepsPerUnit,
    volume,
    closed,
    // No dividends are paid here.
    adjustedClose: isDay ? close / stepsPerUnit : null,
  }
}
