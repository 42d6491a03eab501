import type { Listing } from '../../domain/quote.ts'
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
  let { high, low, volume } = now
  let extended: number | null = null
  let extendedPercent: number | null = null
  if (dayBefore) {
    // A price from outside of the session is none of its high, low and volume.
    const isSession = regularClose === null
    high = isSession ? Math.max(dayBefore.high, high) : dayBefore.high
    low = isSession ? Math.min(dayBefore.low, low) : dayBefore.low
    volume = isSession ? dayBefore.volume + volume : dayBefore.volume
  }
  if (regularClose !== null) {
    extended = (now.close - regularClose) / stepsPerUnit
    extendedPercent = (100 * (now.close - regularClose)) / regularClose
  }
  const change = now.close - previousClose
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
      volume: hasVolume ? (splitsAhead === 1 ? volume : Math.round(volume / splitsAhead)) : null,
      bid: traded ? (now.close - 1) / stepsPerUnit : null,
      ask: traded ? (now.close + 1) / stepsPerUnit : null,
      marketCap: shares === null ? null : Math.round((shares * now.close) / stepsPerCapUnit),
      fiftyTwoWeekHigh: (today.year ? Math.max(today.year.high, high) : high) / stepsPerUnit,
      fiftyTwoWeekLow: (today.year ? Math.min(today.year.low, low) : low) / stepsPerUnit,
      currency,
      marketState,
      timeMs: Math.min(timeMs, minute.endMs),
      regularPrice: regularClose === null ? null : regularClose / stepsPerUnit,
      extendedChange: extended,
      extendedChangePercent: extendedPercent,
      source: 'SIMULATED',
      receivedAtMs,
      delayMinutes: 0,
      stale: false,
    },
  }
}
