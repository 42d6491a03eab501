import type { Listing } from '../../domain/quote.ts'
import type { SimulatedInstrument } from './instruments.ts'
import { type LiveMinute, soFar } from './minute.ts'

/** What the simulated market says about an instrument at a time within a minute. Runs for every tick. */
export function simulatedListing(
  of: SimulatedInstrument,
  minute: LiveMinute,
  timeMs: number,
  receivedAtMs: number,
): Listing {
  const { instrument, stepsPerUnit, shares } = of
  const { today, dayBefore } = minute
  const now = soFar(minute, timeMs)
  const high = dayBefore ? Math.max(dayBefore.high, now.high) : now.high
  const low = dayBefore ? Math.min(dayBefore.low, now.low) : now.low
  const change = now.close - today.previousClose
  const traded = instrument.kind !== 'INDEX'
  // Divided, not multiplied by 0.01: 24512 / 100 is the double nearest to 245.12.
  return {
    instrument,
    quote: {
      symbol: instrument.symbol,
      price: now.close / stepsPerUnit,
      previousClose: today.previousClose / stepsPerUnit,
      change: change / stepsPerUnit,
      changePercent: (100 * change) / today.previousClose,
      open: today.bar.open / stepsPerUnit,
      dayHigh: high / stepsPerUnit,
      dayLow: low / stepsPerUnit,
      volume: (dayBefore?.volume ?? 0) + now.volume,
      bid: traded ? (now.close - 1) / stepsPerUnit : null,
      ask: traded ? (now.close + 1) / stepsPerUnit : null,
      marketCap: shares === null ? null : Math.round((shares * now.close) / stepsPerUnit),
      fiftyTwoWeekHigh: (today.year ? Math.max(today.year.high, high) : high) / stepsPerUnit,
      fiftyTwoWeekLow: (today.year ? Math.min(today.year.low, low) : low) / stepsPerUnit,
      currency: instrument.currency,
      marketState: instrument.marketState,
      timeMs,
      regularPrice: null,
      extendedChange: null,
      extendedChangePercent: null,
      source: 'SIMULATED',
      receivedAtMs,
      delayMinutes: 0,
      stale: false,
    },
  }
}
