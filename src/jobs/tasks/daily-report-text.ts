import type { SymbolFailure, SymbolFindings } from '../../domain/analysis/analysis.ts'
import type { MarketSummary } from '../../domain/analysis/daily-report.ts'
import type { Signal, SignalKind } from '../../domain/analysis/signal.ts'

/** A symbol of a report, with all that the text shows of it. */
export interface Reported extends MarketSummary {
  readonly findings: SymbolFindings
  readonly newSignals: readonly Signal[]
  readonly name: string | null
  /** How many decimals its price has. */
  readonly decimals: number
}

const inWords: Readonly<Record<SignalKind, string>> = {
  MA50_BREAKOUT_UP: 'rose above its 50-day average',
  MA50_BREAKOUT_DOWN: 'fell below its 50-day average',
  MA200_BREAKOUT_UP: 'rose above its 200-day average',
  MA200_BREAKOUT_DOWN: 'fell below its 200-day average',
  GOLDEN_CROSS: 'golden cross: its 50-day average rose above its 200-day average',
  DEATH_CROSS: 'death cross: its 50-day average fell below its 200-day average',
  RSI_OVERBOUGHT: 'its RSI rose above 70: overbought',
  RSI_OVERSOLD: 'its RSI fell below 30: oversold',
  RSI_BULLISH: 'its RSI rose above 50',
  RSI_BEARISH: 'its RSI fell below 50',
  BOLLINGER_BREAK_UPPER: 'broke out above its upper Bollinger band',
  BOLLINGER_BREAK_LOWER: 'broke out below its lower Bollinger band',
  BOLLINGER_TOUCH_UPPER: 'came close to its upper Bollinger band',
  BOLLINGER_TOUCH_LOWER: 'came close to its lower Bollinger band',
  MACD_BULLISH_CROSS: 'its MACD crossed above its signal line',
  MACD_BEARISH_CROSS: 'its MACD crossed below its signal line',
  STOCHASTIC_BULLISH_CROSS: 'its stochastic %K crossed above %D',
  STOCHASTIC_BEARISH_CROSS: 'its stochastic %K crossed below %D',
  VOLUME_SPIKE: 'moved on far more volume than usual',
}

/** The trading date of the findings: YYYY-MM-DD. */
export const dateOf = ({ asOfMs }: Pick<SymbolFindings, 'asOfMs'>): string =>
  new Date(asOfMs).toISOString().slice(0, 10)

/** The report as text. `date`: YYYY-MM-DD. */
export function dailyReportText(
  date: string,
  reported: readonly Reported[],
  failures: readonly SymbolFailure[],
): string {
  const signals = reported.flatMap((market) => market.newSignals.map((signal) => signalLine(market, signal)))
  const missing = failures.map(({ symbol, message }) => `- ${symbol}: ${message}`)
  return [
    `Daily report for ${longDate(date)}`,
    '',
    'Markets',
    ...reported.map((market) => marketLine(market, date)),
    '',
    'New signals',
    ...(signals.length > 0 ? signals : ['- none']),
    ...(missing.length > 0 ? ['', 'Not available', ...missing] : []),
  ].join('\n')
}

function marketLine(market: Reported, date: string): string {
  const { price, decimals, changePercent, sentiment, findings } = market
  const { trend, source } = findings
  const day = dateOf(findings)
  const amount = new Intl.NumberFormat('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
  const parts = [
    `${amount.format(price)}${changePercent === null ? '' : `, ${change(changePercent)}`}`,
    ...(sentiment === null ? [] : [`sentiment ${words(sentiment)}`]),
    ...(trend === null ? [] : [`trend ${words(trend)}`]),
    ...(day === date ? [] : [`of ${longDate(day)}`]),
    ...(source === 'SIMULATED' ? ['simulated'] : []),
  ]
  return `- ${nameOf(market)}: ${parts.join('; ')}`
}

const signalLine = (market: Reported, { kind, direction }: Signal): string =>
  `- ${nameOf(market)}: ${inWords[kind]}${direction === 'NEUTRAL' ? '' : ` (${words(direction)})`}`

const nameOf = ({ name, symbol }: Reported): string =>
  name === null || name === symbol ? symbol : `${name} (${symbol})`

function change(percent: number): string {
  const size = Math.abs(percent).toFixed(2)
  if (Number(size) === 0) return 'unchanged'
  return `${percent > 0 ? 'up' : 'down'} ${size} %`
}

/** SLIGHTLY_BULLISH as "slightly bullish". */
const words = (name: string): string => name.toLowerCase().replaceAll('_', ' ')

const longDate = (date: string): string =>
  new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'UTC' }).format(Date.parse(`${date}T00:00:00Z`))
