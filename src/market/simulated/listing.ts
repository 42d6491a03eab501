import type { Listing } from '../../domain/quote.ts'
import { minuteMs } from '../../domain/time/units.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import { type LiveMinute, soFar } from './minute.ts'

/** What the simulated market says about an instrument at a time within a minute. Runs for every tick. */
export function simulatedListing(
  of: SimulatedInstrument,
  minute: LiveMinute,
  timeMs: number,
  receivedAtMs: number,
): Listing {
  const { stepsPerUnit, splitsAhead, shares, hasVolume } = of
  const { instrument, today, dayBefore, regularClose, previousClose } = minute
  const { symbol, kind, currency, marketState } = instrument
  const now = soFar(minute, timeMs)
  // A price from outside of the session is none of its high, low and volume.
  const session = regularClose === null || !dayBefore ? now : dayBefore
  const high = dayBefore ? Math.max(dayBefore.high, session.high) : now.high
  const low = dayBefore ? Math.min(dayBefore.low, session.low) : now.low
  const volume = (dayBefore?.volume ?? 0) + (regularClose === null ? now.volume : 0)
  const change = now.close - previousClose
  const extended = regularClose === null ? null : now.close - regularClose
  // Of a price in pence, the market value is in pounds.
  const stepsPerCapUnit = currency === 'GBp' ? 100 * stepsPerUnit : stepsPerUnit
  const traded = kind !== 'INDEX'
  // Divided, not multiplied by 0.01: 24512 / 100 is the double nearest to 245.12.
  return {
    instrument,
    quote: {
      symbol,
      price: now.close / stepsPerUnit,
      previousClose: previousClose / stepsPerUnit,
      change: change / stepsPerUnit,
      changePercent: (100 * change) / previousClose,
      open: today.bar.open / stepsPerUnit,
      dayHigh: high / stepsPerUnit,
      dayLow: low / stepsPerUnit,
      volume: hasVolume ? Math.round(volume / splitsAhead) : null,
      bid: traded ? (now.close - 1) / stepsPerUnit : null,
      ask: traded ? (now.close + 1) / stepsPerUnit : null,
      marketCap: shares === null ? null : Math.round((shares * now.close) / stepsPerCapUnit),
      fiftyTwoWeekHigh: (today.year ? Math.max(today.year.high, high) : high) / stepsPerUnit,
      fiftyTwoWeekLow: (today.year ? Math.min(today.year.low, low) : low) / stepsPerUnit,
      currency,
      marketState,
      timeMs: Math.min(timeMs, minute.start * 1000 + minuteMs),
      regularPrice: regularClose === null ? null : regularClose / stepsPerUnit,
      extendedChange: extended === null ? null : extended / stepsPerUnit,
      extendedChangePercent: extended === null || regularClose === null ? null : (100 * extended) / regularClose,
      source: 'SIMULATED',
      receivedAtMs,
      delayMinutes: 0,
      stale: false,
    },
  }
}
