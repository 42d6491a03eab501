import type { Split } from '../../../domain/corporate-action.ts'
import { calendarOf } from '../../../domain/exchange-calendar/calendars.ts'
import type { Exchange, Instrument, InstrumentKind } from '../../../domain/instrument.ts'
import { childKey, randomFrom, textKey } from '../walks/random.ts'
import { type Home, type Rhythm, rhythmOf, type SimulatedHours } from '../walks/rhythm.ts'
import type { Walk } from '../walks/walks.ts'
import { type Factor, type FactorName, simulatedFactors } from './factors.ts'
import { exchangeNames, type KnownInstrument, knownInstruments } from './known-instruments.ts'

/** An instrument and the parameters of its price model. */
export interface SimulatedInstrument {
  readonly instrument: Instrument
  /** Yahoo's code of its exchange, whether it keeps its hours or not. */
  readonly exchange: string
  /** The root of all its randomness: a hash of the seed and the symbol. */
  readonly key: number
  /** Price steps in one unit of the currency: a power of ten, as long as no split lies ahead. */
  readonly stepsPerUnit: number
  /** New shares for each that there is, of splits that nobody knows of yet; mostly 1. */
  readonly splitsAhead: number
  /** The price that it is pulled to, as of the beginning of 2025. */
  readonly level: number
  /** The logarithm of that price in steps. */
  readonly logLevel: number
  /** The yearly growth of the level, as a share of itself. */
  readonly yearlyGrowth: number
  readonly yearlyVolatility: number
  /** What moves it together with others, and by how much. The first one moves it within an hour too. */
  readonly factors: readonly { readonly factor: Factor; readonly beta: number }[]
  /** What moves it alone. */
  readonly own: Walk
  readonly dailyVolume: number
  /** Volatility indices and mutual funds have no volume. */
  readonly hasVolume: boolean
  /** Shares outstanding; null for all but equities. */
  readonly shares: number | null
  readonly dividends: KnownInstrument['dividends'] | null
  /** Oldest first. */
  readonly splits: readonly Split[]
}

const growthByKind: Partial<Record<InstrumentKind, number>> = {
  EQUITY: 0.1,
  INDEX: 0.08,
  ETF: 0.08,
  FUND: 0.08,
  CRYPTO: 0.2,
  FUTURE: 0.06,
}
/** Those that do not grow like others of their kind. */
const growthBySymbol: Readonly<Record<string, number>> = {
  '^VIX': 0,
  TLT: -0.02,
  'CL=F': 0.01,
  'ES=F': 0.08,
  'NQ=F': 0.08,
}

/** No instrument follows its factors exactly: a fund tracks its index with an error of 0.2 % a year. */
const leastOwnVolatility = 0.002

interface Market {
  readonly seed: number
  readonly hours: SimulatedHours
  readonly factors: ReadonlyMap<FactorName, Factor>
  readonly rhythms: ReadonlyMap<Home, Rhythm>
}

const homes: readonly Home[] = ['AMERICA', 'EUROPE', 'ASIA', 'DAY_AND_NIGHT', 'CURRENCY', 'CRYPTO']

/** The first `count` instruments of the simulated market by symbol: real names first, then SIM0001 upwards. */
export function simulatedInstruments(
  count: number,
  seed: number,
  hours: SimulatedHours = 'always',
): ReadonlyMap<string, SimulatedInstrument> {
  const rhythms = new Map(homes.map((home) => [home, rhythmOf(home, hours)]))
  const market: Market = { seed, hours, factors: simulatedFactors(seed, rhythms), rhythms }
  const instruments = new Map<string, SimulatedInstrument>()
  for (const known of knownInstruments.slice(0, count)) {
    const growth = growthBySymbol[known.symbol] ?? growthByKind[known.kind] ?? 0
    instruments.set(known.symbol, build(known, growth, market))
  }
  for (let number = 1; instruments.size < count; number++) {
    const symbol = `SIM${String(number).padStart(4, '0')}`
    instruments.set(symbol, invent(symbol, market))
  }
  return instruments
}

function invent(symbol: string, market: Market): SimulatedInstrument {
  const random = randomFrom(childKey(textKey(market.seed, symbol), 0))
  const shares = Math.round(5e7 * 100 ** random())
  const volatility = 0.22 + 0.4 * random()
  const known: KnownInstrument = {
    symbol,
    name: `Simulated Company ${symbol.slice(3)}`,
    kind: 'EQUITY',
    exchange: 'NYQ',
    currency: 'USD',
    decimals: 2,
    level: 20 * 25 ** random(),
    volatility,
    // Volatile shares move more with the market, too.
    loadings: [['US', 0.3 + 2.2 * volatility * (0.5 + random())]],
    dailyVolume: Math.round(shares * (0.002 + 0.006 * random())),
    shares,
    ...(random() < 0.4 ? { dividends: { yearly: 0.005 + 0.035 * random(), perYear: 4 as const } } : {}),
  }
  return build(known, 0.12 * random(), market)
}

function build(known: KnownInstrument, yearlyGrowth: number, market: Market): SimulatedInstrument {
  const { symbol, kind, level, dailyVolume, shares = null, decimals, loadings, volatility, dividends, splits } = known
  const key = textKey(market.seed, symbol)
  const stepsPerUnit = 10 ** stepDecimals(known)
  const factors = loadings.flatMap(([name, beta]) => {
    const factor = market.factors.get(name)
    return factor ? [{ factor, beta }] : []
  })
  const explained = factors.reduce((sum, { factor, beta }) => sum + (beta * factor.yearlyVolatility) ** 2, 0)
  const ownVolatility = Math.sqrt(Math.max(volatility ** 2 - explained, leastOwnVolatility ** 2))
  const rhythm = market.rhythms.get(homeOf(known)) ?? rhythmOf('AMERICA', market.hours)
  return {
    instrument: {
      symbol,
      name: known.name,
      kind,
      exchange: exchangeOf(known, market.hours),
      currency: known.currency,
      priceDecimals: decimals,
      marketState: 'REGULAR',
    },
    exchange: known.exchange,
    key,
    stepsPerUnit,
    splitsAhead: 1,
    level,
    logLevel: Math.log(level * stepsPerUnit),
    yearlyGrowth,
    yearlyVolatility: Math.sqrt(explained + ownVolatility ** 2),
    factors,
    own: { key, yearlyVolatility: ownVolatility, rhythm },
    dailyVolume,
    hasVolume: dailyVolume > 0,
    shares,
    dividends: dividends ?? null,
    splits: (splits ?? []).map(([date, numerator, denominator]) => ({
      epoch: Date.parse(date) / 1000,
      numerator,
      denominator,
    })),
  }
}

const leastStepsPerMinute = 4
const minutesOfYear = 365 * 24 * 60

/**
 * Shares that cost little trade at fractions of a cent, too: rounded to cents, their minutes would mostly go back and
 * forth between two prices.
 */
function stepDecimals({ level, volatility, decimals }: KnownInstrument): number {
  const move = (level * volatility) / Math.sqrt(minutesOfYear)
  return decimals + Math.max(0, Math.ceil(Math.log10(leastStepsPerMinute / (move * 10 ** decimals))))
}

function homeOf({ kind, exchange }: KnownInstrument): Home {
  if (kind === 'CRYPTO' || kind === 'CURRENCY') return kind
  if (kind === 'FUTURE') return 'DAY_AND_NIGHT'
  const timezone = calendarOf(exchange)?.timezone ?? ''
  if (timezone.startsWith('Asia/')) return 'ASIA'
  return timezone.startsWith('Europe/') ? 'EUROPE' : 'AMERICA'
}

function exchangeOf({ exchange, symbol }: KnownInstrument, hours: SimulatedHours): Exchange {
  const name = /^SIM\d+$/.test(symbol) ? 'Simulated market' : `Simulated ${exchangeNames[exchange] ?? exchange}`
  if (hours === 'always') return { code: 'SIM', name: `${name} (never closes)`, timezone: 'UTC', delayMinutes: 0 }
  return { code: exchange, name, timezone: calendarOf(exchange)?.timezone ?? 'UTC', delayMinutes: 0 }
}
