import type { InstrumentKind } from '../../../domain/instrument.ts'
import type { Loading } from './factors.ts'

/** An instrument as people know it: roughly its price, volatility, volume and so on at the beginning of 2025. */
export interface KnownInstrument {
  readonly symbol: string
  readonly name: string
  readonly kind: InstrumentKind
  /** Yahoo's code of its exchange, or of one with the same hours whose calendar is known. */
  readonly exchange: string
  readonly currency: string
  readonly decimals: number
  readonly level: number
  /** Of a year, all in all: what the factors do not explain is its own. Less than they explain: it has nearly none. */
  readonly volatility: number
  /** The first one moves it within an hour too. */
  readonly loadings: readonly Loading[]
  readonly dailyVolume: number
  /** Shares outstanding; absent for all but equities. */
  readonly shares?: number
  /** Dividends of a year as a share of the price, and how many there are. */
  readonly dividends?: { readonly yearly: number; readonly perYear: 1 | 2 | 4 | 12 }
  /** Date, and new shares for old ones. */
  readonly splits?: readonly (readonly [string, number, number])[]
}

type More = Partial<Pick<KnownInstrument, 'shares' | 'dividends' | 'splits' | 'decimals' | 'currency'>>

const pays = (yearly: number, perYear: 1 | 2 | 4 | 12 = 4): More => ({ dividends: { yearly, perYear } })

const row =
  (kind: InstrumentKind, currency: string, decimals: number) =>
  (
    ...[symbol, name, exchange, level, volatility, dailyVolume, loadings, more]: [
      ...[string, string, string, number, number, number, readonly Loading[], More?],
    ]
  ): KnownInstrument => ({
    symbol,
    name,
    kind,
    exchange,
    currency,
    decimals,
    level,
    volatility,
    dailyVolume,
    loadings,
    ...more,
  })

/** An American share: its beta, and how much it moves with its sector. */
const share = (
  ...[symbol, name, exchange, level, volatility, dailyVolume, shares, beta, sector, more]: [
    ...[string, string, string, number, number, number, number, number, (Loading | null)?, More?],
  ]
): KnownInstrument =>
  row('EQUITY', 'USD', 2)(
    symbol,
    name,
    exchange,
    level,
    volatility,
    dailyVolume,
    [['US', beta], ...(sector ? [sector] : [])],
    {
      ...more,
      shares,
    },
  )

const abroad =
  (exchange: string, currency: string, decimals: number, factor: Loading[0]) =>
  (
    ...[symbol, name, level, volatility, dailyVolume, shares, beta, yearly, perYear]: [
      ...[string, string, number, number, number, number, number, number?, (1 | 2 | 4)?],
    ]
  ): KnownInstrument =>
    row('EQUITY', currency, decimals)(
      symbol,
      name,
      exchange,
      level,
      volatility,
      dailyVolume,
      [
        [factor, beta],
        ['US', 0.5 * beta],
      ],
      {
        shares,
        ...(yearly ? pays(yearly, perYear ?? 2) : {}),
      },
    )

const london = abroad('LSE', 'GBp', 2, 'BRITAIN')
const frankfurt = abroad('GER', 'EUR', 2, 'EUROPE')
const paris = abroad('PAR', 'EUR', 2, 'EUROPE')
const tokyo = abroad('JPX', 'JPY', 1, 'JAPAN')
const hongKong = abroad('HKG', 'HKD', 2, 'CHINA')
const fund = row('ETF', 'USD', 2)
const index = row('INDEX', 'USD', 2)
const future = row('FUTURE', 'USD', 2)
const currency = row('CURRENCY', 'USD', 4)
const crypto = row('CRYPTO', 'USD', 2)

const technology = (beta: number): Loading => ['TECHNOLOGY', beta]
const finance = (beta: number): Loading => ['FINANCE', beta]
const health = (beta: number): Loading => ['HEALTH', beta]
const consumer = (beta: number): Loading => ['CONSUMER', beta]
const oil = (beta: number): Loading => ['OIL', beta]

// An index and its funds load the same factors alike.
const broad: readonly Loading[] = [['US', 0.97], technology(0.25)]
const nasdaq: readonly Loading[] = [['US', 1.12], technology(0.75)]
const dow: readonly Loading[] = [
  ['US', 0.88],
  ['BLUE_CHIPS', 1],
]
const small: readonly Loading[] = [
  ['US', 1.12],
  ['SMALL_COMPANIES', 1.1],
]

/** A hundred of all kinds. The first are those that a market of few symbols has. */
export const knownInstruments: readonly KnownInstrument[] = [
  share('AAPL', 'Apple Inc.', 'NMS', 245, 0.27, 50e6, 15.04e9, 1.1, technology(0.6), {
    ...pays(0.0041),
    splits: [['2020-08-31', 4, 1]],
  }),
  share('MSFT', 'Microsoft Corporation', 'NMS', 420, 0.25, 22e6, 7.43e9, 0.95, technology(0.8), pays(0.0078)),
  share('GOOGL', 'Alphabet Inc.', 'NMS', 190, 0.29, 28e6, 12.2e9, 1, technology(0.8), {
    ...pays(0.0042),
    splits: [['2022-07-18', 20, 1]],
  }),
  share('AMZN', 'Amazon.com, Inc.', 'NMS', 220, 0.31, 40e6, 10.5e9, 1.15, technology(0.7), {
    splits: [['2022-06-06', 20, 1]],
  }),
  share('TSLA', 'Tesla, Inc.', 'NMS', 380, 0.58, 95e6, 3.21e9, 1.8, technology(0.8), {
    splits: [
      ['2020-08-31', 5, 1],
      ['2022-08-25', 3, 1],
    ],
  }),
  share('META', 'Meta Platforms, Inc.', 'NMS', 590, 0.36, 13e6, 2.53e9, 1.1, technology(0.8), pays(0.0034)),
  share('NVDA', 'NVIDIA Corporation', 'NMS', 136, 0.5, 220e6, 24.5e9, 1.5, technology(1.6), {
    ...pays(0.0003),
    splits: [
      ['2021-07-20', 4, 1],
      ['2024-06-10', 10, 1],
    ],
  }),
  index('^GSPC', 'S&P 500', 'SNP', 5900, 0.15, 4.2e9, broad),
  index('^IXIC', 'NASDAQ Composite', 'NIM', 19_300, 0.19, 7.1e9, nasdaq),
  index('^DJI', 'Dow Jones Industrial Average', 'DJI', 42_500, 0.14, 450e6, dow),
  fund('SPY', 'SPDR S&P 500 ETF Trust', 'PCX', 588, 0.15, 60e6, broad, pays(0.012)),
  fund('QQQ', 'Invesco QQQ Trust', 'NGM', 513, 0.19, 38e6, nasdaq, pays(0.006)),
  crypto('BTC-USD', 'Bitcoin USD', 'CCC', 94_000, 0.52, 45e9, [['CRYPTO', 0.95]]),
  { ...currency('EURUSD=X', 'EUR/USD', 'CCY', 1.08, 0.072, 190e3, [['EURO', 1]]), decimals: 5 },
  future('GC=F', 'Gold Futures', 'CMX', 2640, 0.15, 190e3, [['GOLD', 1]]),
  share('AVGO', 'Broadcom Inc.', 'NMS', 232, 0.42, 28e6, 4.69e9, 1.25, technology(1.3), {
    ...pays(0.01),
    splits: [['2024-07-15', 10, 1]],
  }),
  share('BRK-B', 'Berkshire Hathaway Inc.', 'NYQ', 453, 0.18, 4e6, 2.16e9, 0.8, finance(0.4)),
  share('JPM', 'JPMorgan Chase & Co.', 'NYQ', 240, 0.24, 9e6, 2.8e9, 1.05, finance(1), pays(0.021)),
  share('V', 'Visa Inc.', 'NYQ', 316, 0.21, 6e6, 1.95e9, 0.92, finance(0.6), pays(0.0075)),
  share('MA', 'Mastercard Incorporated', 'NYQ', 527, 0.22, 2.6e6, 0.92e9, 0.97, finance(0.6), pays(0.0058)),
  share('BAC', 'Bank of America Corporation', 'NYQ', 44, 0.27, 35e6, 7.67e9, 1.2, finance(1.2), pays(0.024)),
  share('LLY', 'Eli Lilly and Company', 'NYQ', 772, 0.33, 3.5e6, 0.95e9, 0.6, health(1.1), pays(0.0078)),
  share('UNH', 'UnitedHealth Group Incorporated', 'NYQ', 506, 0.27, 4e6, 0.92e9, 0.6, health(1), pays(0.017)),
  share('JNJ', 'Johnson & Johnson', 'NYQ', 145, 0.17, 8e6, 2.41e9, 0.5, health(0.9), pays(0.034)),
  share('ABBV', 'AbbVie Inc.', 'NYQ', 178, 0.23, 6e6, 1.77e9, 0.55, health(1), pays(0.037)),
  share('PFE', 'Pfizer Inc.', 'NYQ', 26.5, 0.25, 40e6, 5.67e9, 0.6, health(1), pays(0.065)),
  share('XOM', 'Exxon Mobil Corporation', 'NYQ', 107, 0.25, 15e6, 4.4e9, 0.75, oil(0.45), pays(0.037)),
  share('CVX', 'Chevron Corporation', 'NYQ', 146, 0.25, 8e6, 1.8e9, 0.8, oil(0.42), pays(0.046)),
  share('WMT', 'Walmart Inc.', 'NYQ', 91, 0.19, 16e6, 8.03e9, 0.6, consumer(1), {
    ...pays(0.0092),
    splits: [['2024-02-26', 3, 1]],
  }),
  share('PG', 'The Procter & Gamble Company', 'NYQ', 167, 0.17, 7e6, 2.36e9, 0.5, consumer(1.2), pays(0.024)),
  share('KO', 'The Coca-Cola Company', 'NYQ', 62, 0.16, 15e6, 4.31e9, 0.5, consumer(1.2), pays(0.031)),
  share('PEP', 'PepsiCo, Inc.', 'NMS', 152, 0.18, 6e6, 1.37e9, 0.5, consumer(1.2), pays(0.036)),
  share('COST', 'Costco Wholesale Corporation', 'NMS', 920, 0.22, 2e6, 0.44e9, 0.9, consumer(1), pays(0.005)),
  share('HD', 'The Home Depot, Inc.', 'NYQ', 390, 0.23, 3.3e6, 0.99e9, 1, consumer(0.8), pays(0.023)),
  share('MCD', "McDonald's Corporation", 'NYQ', 291, 0.18, 3.3e6, 0.72e9, 0.6, consumer(1), pays(0.024)),
  share('NKE', 'NIKE, Inc.', 'NYQ', 76, 0.32, 11e6, 1.48e9, 1.1, consumer(0.9), pays(0.021)),
  share('DIS', 'The Walt Disney Company', 'NYQ', 112, 0.27, 9e6, 1.81e9, 1.1, consumer(0.6), pays(0.009, 2)),
  share('NFLX', 'Netflix, Inc.', 'NMS', 890, 0.37, 3.5e6, 0.43e9, 1.2, technology(0.8)),
  share('CRM', 'Salesforce, Inc.', 'NYQ', 335, 0.33, 6e6, 0.96e9, 1.2, technology(1), pays(0.0048)),
  share('ORCL', 'Oracle Corporation', 'NYQ', 167, 0.33, 8e6, 2.8e9, 1.1, technology(0.9), pays(0.0096)),
  share('ADBE', 'Adobe Inc.', 'NMS', 445, 0.34, 3.5e6, 0.44e9, 1.2, technology(1)),
  share('AMD', 'Advanced Micro Devices, Inc.', 'NMS', 121, 0.47, 40e6, 1.62e9, 1.7, technology(1.6)),
  share('INTC', 'Intel Corporation', 'NMS', 20.1, 0.45, 60e6, 4.31e9, 1.2, technology(1.2)),
  share('CSCO', 'Cisco Systems, Inc.', 'NMS', 59, 0.21, 17e6, 3.98e9, 0.9, technology(0.7), pays(0.027)),
  share(
    'IBM',
    'International Business Machines Corporation',
    'NYQ',
    220,
    0.23,
    4e6,
    0.92e9,
    0.75,
    technology(0.6),
    pays(0.03),
  ),
  share('BA', 'The Boeing Company', 'NYQ', 177, 0.36, 8e6, 0.75e9, 1.4, ['BLUE_CHIPS', 1.5]),
  share('CAT', 'Caterpillar Inc.', 'NYQ', 363, 0.28, 2.8e6, 0.48e9, 1.1, ['BLUE_CHIPS', 1.5], pays(0.0155)),
  share('GE', 'GE Aerospace', 'NYQ', 167, 0.31, 5e6, 1.08e9, 1.2, ['BLUE_CHIPS', 1.2], {
    ...pays(0.0067),
    splits: [['2021-08-02', 1, 8]],
  }),
  share('T', 'AT&T Inc.', 'NYQ', 22.8, 0.22, 33e6, 7.18e9, 0.6, consumer(0.8), pays(0.049)),
  share('F', 'Ford Motor Company', 'NYQ', 9.9, 0.36, 55e6, 3.9e9, 1.4, consumer(0.8), pays(0.06)),
  share('UBER', 'Uber Technologies, Inc.', 'NYQ', 60.3, 0.4, 20e6, 2.1e9, 1.4, technology(0.8)),
  share('PLTR', 'Palantir Technologies Inc.', 'NMS', 75.6, 0.65, 80e6, 2.28e9, 1.9, technology(1.6)),
  share('COIN', 'Coinbase Global, Inc.', 'NMS', 248, 0.85, 9e6, 0.2e9, 1.8, ['CRYPTO', 0.9]),
  london('SHEL.L', 'Shell plc', 2475, 0.22, 9e6, 6.1e9, 1, 0.041, 4),
  london('AZN.L', 'AstraZeneca PLC', 10_468, 0.23, 2.2e6, 1.55e9, 0.8, 0.023),
  london('HSBA.L', 'HSBC Holdings plc', 785, 0.22, 22e6, 17.9e9, 1.1, 0.062, 4),
  london('BP.L', 'BP p.l.c.', 393, 0.26, 35e6, 15.8e9, 1.1, 0.061, 4),
  london('ULVR.L', 'Unilever PLC', 4548, 0.17, 3e6, 2.48e9, 0.6, 0.031, 4),
  london('VOD.L', 'Vodafone Group Public Limited Company', 68.3, 0.25, 50e6, 25.5e9, 0.8, 0.055),
  frankfurt('SAP.DE', 'SAP SE', 236, 0.25, 1.5e6, 1.17e9, 1.1, 0.0093, 1),
  frankfurt('SIE.DE', 'Siemens Aktiengesellschaft', 188, 0.26, 1.1e6, 0.79e9, 1.3, 0.027, 1),
  frankfurt('ALV.DE', 'Allianz SE', 296, 0.19, 0.7e6, 0.39e9, 1, 0.047, 1),
  frankfurt('BMW.DE', 'Bayerische Motoren Werke Aktiengesellschaft', 79, 0.28, 1.3e6, 0.62e9, 1.2, 0.07, 1),
  paris('MC.PA', 'LVMH Moët Hennessy - Louis Vuitton', 635, 0.29, 0.4e6, 0.5e9, 1.3, 0.02),
  paris('TTE.PA', 'TotalEnergies SE', 53.4, 0.23, 4.5e6, 2.27e9, 0.9, 0.06, 4),
  tokyo('7203.T', 'Toyota Motor Corporation', 3146, 0.28, 25e6, 13.2e9, 1, 0.027),
  tokyo('6758.T', 'Sony Group Corporation', 3369, 0.31, 13e6, 6.02e9, 1.1, 0.006),
  tokyo('9984.T', 'SoftBank Group Corp.', 9185, 0.42, 9e6, 1.46e9, 1.5, 0.005),
  hongKong('0700.HK', 'Tencent Holdings Limited', 417, 0.33, 18e6, 9.2e9, 1.1, 0.008, 1),
  hongKong('9988.HK', 'Alibaba Group Holding Limited', 82.4, 0.42, 70e6, 19e9, 1.3, 0.012, 1),
  hongKong('0005.HK', 'HSBC Holdings plc', 75.9, 0.22, 15e6, 17.9e9, 0.7, 0.062, 4),
  abroad('TOR', 'CAD', 2, 'US')('SHOP.TO', 'Shopify Inc.', 153, 0.5, 2e6, 1.29e9, 1.2),
  abroad('TOR', 'CAD', 2, 'US')('RY.TO', 'Royal Bank of Canada', 173, 0.16, 4e6, 1.41e9, 0.5, 0.034, 4),
  abroad('EBS', 'CHF', 2, 'EUROPE')('NESN.SW', 'Nestlé S.A.', 75, 0.17, 5e6, 2.57e9, 0.6, 0.04, 1),
  fund('DIA', 'SPDR Dow Jones Industrial Average ETF Trust', 'PCX', 425, 0.14, 3e6, dow, pays(0.016, 12)),
  fund('IWM', 'iShares Russell 2000 ETF', 'PCX', 221, 0.2, 28e6, small, pays(0.011)),
  fund('VOO', 'Vanguard S&P 500 ETF', 'PCX', 539, 0.15, 6e6, broad, pays(0.012)),
  fund(
    'VTI',
    'Vanguard Total Stock Market Index Fund',
    'PCX',
    290,
    0.15,
    3.4e6,
    [['US', 0.98], technology(0.23), ['SMALL_COMPANIES', 0.08]],
    pays(0.013),
  ),
  fund('TLT', 'iShares 20+ Year Treasury Bond ETF', 'NGM', 87.3, 0.141, 38e6, [['BONDS', 1]], pays(0.041, 12)),
  fund('GLD', 'SPDR Gold Shares', 'PCX', 242, 0.147, 6e6, [['GOLD', 1]]),
  fund(
    'XLK',
    'The Technology Select Sector SPDR Fund',
    'PCX',
    233,
    0.22,
    5e6,
    [['US', 1.2], technology(0.95)],
    pays(0.0066),
  ),
  fund(
    'XLF',
    'The Financial Select Sector SPDR Fund',
    'PCX',
    48.3,
    0.19,
    35e6,
    [['US', 1], finance(0.95)],
    pays(0.014),
  ),
  fund('XLE', 'The Energy Select Sector SPDR Fund', 'PCX', 85.7, 0.21, 14e6, [['US', 0.75], oil(0.5)], pays(0.034)),
  fund(
    'EFA',
    'iShares MSCI EAFE ETF',
    'PCX',
    75.6,
    0.16,
    15e6,
    [
      ['US', 0.6],
      ['EUROPE', 0.75],
      ['JAPAN', 0.3],
    ],
    pays(0.032, 2),
  ),
  fund(
    'EEM',
    'iShares MSCI Emerging Markets ETF',
    'PCX',
    41.8,
    0.19,
    25e6,
    [
      ['US', 0.7],
      ['CHINA', 0.6],
    ],
    pays(0.024, 2),
  ),
  index('^RUT', 'Russell 2000', 'SNP', 2230, 0.2, 4.2e9, small),
  index('^VIX', 'CBOE Volatility Index', 'SNP', 17.4, 1.05, 0, [['US', -5]]),
  {
    ...index('^FTSE', 'FTSE 100', 'LSE', 8173, 0.12, 750e6, [
      ['BRITAIN', 1],
      ['US', 0.5],
    ]),
    currency: 'GBP',
  },
  {
    ...index('^GDAXI', 'DAX', 'GER', 19_909, 0.16, 60e6, [
      ['EUROPE', 1.15],
      ['US', 0.6],
    ]),
    currency: 'EUR',
  },
  {
    ...index('^N225', 'Nikkei 225', 'JPX', 39_895, 0.2, 100e6, [
      ['JAPAN', 1],
      ['US', 0.45],
    ]),
    currency: 'JPY',
  },
  {
    ...index('^HSI', 'Hang Seng Index', 'HKG', 20_060, 0.24, 3e9, [
      ['CHINA', 1],
      ['US', 0.4],
    ]),
    currency: 'HKD',
  },
  future('ES=F', 'E-Mini S&P 500 Futures', 'CME', 5935, 0.15, 1.4e6, broad),
  future('NQ=F', 'Nasdaq 100 Futures', 'CME', 21_190, 0.19, 0.6e6, nasdaq),
  future('CL=F', 'Crude Oil Futures', 'NYM', 71.7, 0.33, 300e3, [['OIL', 1]]),
  { ...future('SI=F', 'Silver Futures', 'CMX', 29.2, 0.28, 60e3, [['GOLD', 1.45]]), decimals: 3 },
  { ...currency('GBPUSD=X', 'GBP/USD', 'CCY', 1.2516, 0.082, 190e3, [['EURO', 0.9]]), decimals: 5 },
  { ...currency('JPY=X', 'USD/JPY', 'CCY', 157.2, 0.095, 190e3, [['EURO', -0.6]]), currency: 'JPY', decimals: 3 },
  crypto('ETH-USD', 'Ethereum USD', 'CCC', 3340, 0.68, 22e9, [['CRYPTO', 1.15]]),
  crypto('SOL-USD', 'Solana USD', 'CCC', 190, 0.85, 3.5e9, [['CRYPTO', 1.3]]),
  row('FUND', 'USD', 2)('VFIAX', 'Vanguard 500 Index Fund Admiral Shares', 'NMS', 544, 0.15, 0, broad, pays(0.0125)),
]

/** Names of exchanges by Yahoo's codes, as Yahoo writes them. */
export const exchangeNames: Readonly<Record<string, string>> = {
  NMS: 'NasdaqGS',
  NGM: 'NasdaqGM',
  NYQ: 'NYSE',
  PCX: 'NYSEArca',
  SNP: 'SNP',
  NIM: 'Nasdaq GIDS',
  DJI: 'DJI',
  CME: 'CME',
  CMX: 'COMEX',
  NYM: 'NY Mercantile',
  CCY: 'CCY',
  CCC: 'CCC',
  LSE: 'LSE',
  GER: 'XETRA',
  PAR: 'Paris',
  EBS: 'Swiss',
  JPX: 'Tokyo',
  HKG: 'HKSE',
  TOR: 'Toronto',
}
