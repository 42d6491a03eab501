import type { Exchange, Instrument, InstrumentKind } from '../../domain/instrument.ts'
import { childKey, randomFrom, textKey } from './random.ts'

/** An instrument and the parameters of its price model. */
export interface SimulatedInstrument {
  readonly instrument: Instrument
  /** The root of all its randomness: a hash of the seed and the symbol. */
  readonly key: number
  /** Price steps (10^-priceDecimals) in one unit of the currency. */
  readonly stepsPerUnit: number
  /** The price that it is pulled to, as of the beginning of 2025. */
  readonly level: number
  /** The yearly growth of the level, as a share of itself. */
  readonly yearlyGrowth: number
  readonly yearlyVolatility: number
  readonly dailyVolume: number
  /** Shares outstanding; null for all but equities. */
  readonly shares: number | null
}

interface Known {
  readonly symbol: string
  readonly name: string
  readonly kind: InstrumentKind
  readonly level: number
  readonly yearlyVolatility: number
  readonly dailyVolume: number
  readonly shares?: number
  readonly decimals?: number
}

// Names, and roughly the prices, volatilities, volumes and share counts at the beginning of 2025.
const known: readonly Known[] = [
  equity('AAPL', 'Apple Inc.', 245, 0.27, 50e6, 15.04e9),
  equity('MSFT', 'Microsoft Corporation', 420, 0.25, 22e6, 7.43e9),
  equity('GOOGL', 'Alphabet Inc.', 190, 0.29, 28e6, 12.2e9),
  equity('AMZN', 'Amazon.com, Inc.', 220, 0.31, 40e6, 10.5e9),
  equity('TSLA', 'Tesla, Inc.', 380, 0.58, 95e6, 3.21e9),
  equity('META', 'Meta Platforms, Inc.', 590, 0.36, 13e6, 2.53e9),
  equity('NVDA', 'NVIDIA Corporation', 136, 0.5, 220e6, 24.5e9),
  other('^GSPC', 'S&P 500', 'INDEX', 5900, 0.16, 4.2e9),
  other('^IXIC', 'NASDAQ Composite', 'INDEX', 19_300, 0.21, 7.1e9),
  other('^DJI', 'Dow Jones Industrial Average', 'INDEX', 42_500, 0.15, 450e6),
  other('SPY', 'SPDR S&P 500 ETF Trust', 'ETF', 588, 0.16, 60e6),
  other('QQQ', 'Invesco QQQ Trust', 'ETF', 513, 0.21, 38e6),
  other('BTC-USD', 'Bitcoin USD', 'CRYPTO', 94_000, 0.55, 45e9),
  other('EURUSD=X', 'EUR/USD', 'CURRENCY', 1.08, 0.075, 190e3, 5),
  other('GC=F', 'Gold Futures', 'FUTURE', 2640, 0.15, 190e3),
]

function equity(
  symbol: string,
  name: string,
  level: number,
  volatility: number,
  volume: number,
  shares: number,
): Known {
  return { symbol, name, kind: 'EQUITY', level, yearlyVolatility: volatility, dailyVolume: volume, shares }
}

function other(
  symbol: string,
  name: string,
  kind: InstrumentKind,
  level: number,
  volatility: number,
  volume: number,
  decimals = 2,
): Known {
  return { symbol, name, kind, level, yearlyVolatility: volatility, dailyVolume: volume, decimals }
}

const growthByKind: Partial<Record<InstrumentKind, number>> = {
  EQUITY: 0.1,
  INDEX: 0.08,
  ETF: 0.08,
  CRYPTO: 0.2,
  FUTURE: 0.06,
}

const exchange: Exchange = {
  code: 'SIM',
  name: 'Simulated market (never closes)',
  timezone: 'UTC',
  delayMinutes: 0,
}

/** The first `count` instruments of the simulated market by symbol: real names first, then SIM0001 upwards. */
export function simulatedInstruments(count: number, seed: number): ReadonlyMap<string, SimulatedInstrument> {
  const instruments = new Map<string, SimulatedInstrument>()
  for (const row of known.slice(0, count)) {
    instruments.set(row.symbol, build(row, growthByKind[row.kind] ?? 0, textKey(seed, row.symbol)))
  }
  for (let number = 1; instruments.size < count; number++) {
    const symbol = `SIM${String(number).padStart(4, '0')}`
    instruments.set(symbol, invent(symbol, textKey(seed, symbol)))
  }
  return instruments
}

function invent(symbol: string, key: number): SimulatedInstrument {
  const random = randomFrom(childKey(key, 0))
  const shares = Math.round(5e7 * 100 ** random())
  const row = equity(
    symbol,
    `Simulated Company ${symbol.slice(3)}`,
    20 * 25 ** random(),
    0.2 + 0.4 * random(),
    Math.round(shares * (0.002 + 0.006 * random())),
    shares,
  )
  return build(row, 0.12 * random(), key)
}

function build(row: Known, yearlyGrowth: number, key: number): SimulatedInstrument {
  const { symbol, name, kind, level, yearlyVolatility, dailyVolume, shares = null, decimals = 2 } = row
  const instrument: Instrument = {
    symbol,
    name,
    kind,
    exchange,
    currency: 'USD',
    priceDecimals: decimals,
    marketState: 'REGULAR',
  }
  return {
    instrument,
    key,
    stepsPerUnit: 10 ** decimals,
    level,
    yearlyGrowth,
    yearlyVolatility,
    dailyVolume,
    shares,
  }
}
