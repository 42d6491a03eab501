import { london, madrid, milan, paris, xetra, zurich } from './europe.ts'
import { ExchangeCalendar } from './exchange-calendar.ts'
import { hongKong } from './hong-kong.ts'
import { riyadh, telAviv } from './middle-east.ts'
import { chicago, newYork, toronto } from './north-america.ts'
import { crypto, currencies } from './round-the-clock.ts'
import { shanghai } from './shanghai.ts'
import { singapore } from './singapore.ts'
import { taipei } from './taipei.ts'
import { tokyo } from './tokyo.ts'

/** All calendars by their id: ISO 10383 market identifiers, `FX` and `CRYPTO`. */
export const exchangeCalendars: ReadonlyMap<string, ExchangeCalendar> = new Map(
  [
    ...[newYork, toronto, chicago],
    ...[london, xetra, paris, zurich, milan, madrid],
    ...[tokyo, hongKong, shanghai, singapore, taipei],
    ...[riyadh, telAviv],
    ...[currencies, crypto],
  ].map((rules) => [rules.id, new ExchangeCalendar(rules)]),
)

/**
 * Yahoo's exchange codes (`exchange` of quotes, `exchangeName` of charts) and the calendars that these follow. Only codes
 * all of whose instruments trade at these hours: not OPR, whose index options trade a quarter of an hour longer, nor FRA and
 * Germany's other floors, which are open until evening.
 */
const calendarIds: Readonly<Record<string, string>> = {
  // NasdaqGS, NasdaqGM, NasdaqCM, NYSE, NYSE Arca, NYSE American, Cboe BZX. In recordings: NMS, NGM, NYQ, PCX.
  ...ofAll('XNYS', 'NMS', 'NGM', 'NCM', 'NYQ', 'PCX', 'ASE', 'BTS'),
  // The OTC markets: Pink (in recordings: PNK), QB, QX. They follow New York.
  ...ofAll('XNYS', 'PNK', 'OQB', 'OQX'),
  // Indices of S&P, Dow Jones and Nasdaq.
  ...ofAll('XNYS', 'SNP', 'DJI', 'NIM'),
  // TSX and TSX Venture.
  ...ofAll('XTSE', 'TOR', 'VAN'),
  // In recordings: LSE.
  ...ofAll('XLON', 'LSE'),
  ...ofAll('XETR', 'GER'),
  ...ofAll('XPAR', 'PAR'),
  ...ofAll('XSWX', 'EBS'),
  ...ofAll('XMIL', 'MIL'),
  ...ofAll('XMAD', 'MCE'),
  ...ofAll('XTKS', 'JPX'),
  // In recordings: HKG.
  ...ofAll('XHKG', 'HKG'),
  // Shanghai and Shenzhen.
  ...ofAll('XSHG', 'SHH', 'SHZ'),
  ...ofAll('XSES', 'SES'),
  // The exchange and the Taipei Exchange (OTC).
  ...ofAll('XTAI', 'TAI', 'TWO'),
  ...ofAll('XSAU', 'SAU'),
  ...ofAll('XTAE', 'TLV'),
  // CME, CBOT, NYMEX and COMEX (in recordings: CMX, `us24_market`).
  ...ofAll('CMES', 'CME', 'CBT', 'NYM', 'CMX'),
  // In recordings: CCY with `ccy_market`, CCC with `ccc_market`.
  ...ofAll('FX', 'CCY'),
  ...ofAll('CRYPTO', 'CCC'),
}

/** The calendar of an exchange by Yahoo's code of it. null: none is known. */
export function calendarOf(exchangeCode: string): ExchangeCalendar | null {
  const id = Object.hasOwn(calendarIds, exchangeCode) ? calendarIds[exchangeCode] : undefined
  return (id === undefined ? undefined : exchangeCalendars.get(id)) ?? null
}

function ofAll(id: string, ...codes: readonly string[]): Record<string, string> {
  return Object.fromEntries(codes.map((code) => [code, id]))
}
