import type { EquityCurve, Performance } from '../domain/analysis/backtest.ts'
import { daySeconds } from '../domain/time/units.ts'

const daysOfYear = 365.25
/** How large a deviation of 0 may become by rounding: returns are shares of sums that are exact to 16 digits. */
const roundingError = 1e-14

/**
 * Measures of an equity curve. The annual return is compound, over the days from the first point to the last. The
 * largest drawdown is relative to the highest equity before, including the start. Sharpe ratio (W. F. Sharpe, The
 * Sharpe Ratio, 1994) with the sample deviation; Sortino ratio (F. A. Sortino and L. N. Price, Performance Measurement
 * in a Downside Risk Framework, 1994) with the downside deviation over all returns. Both use returns from point to
 * point, the first relative to the capital, without a risk-free rate, times the root of the points that the curve has in
 * a year: about 252 for shares, 365.25 for what trades every day. Once equity has reached 0 or less, there are no
 * further returns.
 */
export function performance(initialCapital: number, { epoch, equity }: EquityCurve): Performance {
  const growth = (equity.at(-1) ?? initialCapital) / initialCapital
  const years = ((epoch.at(-1) ?? 0) - (epoch[0] ?? 0)) / daySeconds / daysOfYear
  const returns = returnsOf(initialCapital, equity)
  const mean = meanOf(returns)
  const deviation = Math.sqrt(sum(returns.map((each) => (each - mean) ** 2)) / (returns.length - 1))
  const downside = Math.sqrt(meanOf(returns.map((each) => Math.min(each, 0) ** 2)))
  const pointsOfYear = (epoch.length - 1) / years
  const annualised = (spread: number): number | null =>
    returns.length >= 2 && spread > roundingError ? finite((mean / spread) * Math.sqrt(pointsOfYear)) : null
  return {
    totalReturn: growth - 1,
    annualReturn: years > 0 && growth > 0 ? finite(growth ** (1 / years) - 1) : null,
    maxDrawdown: drawdown(initialCapital, equity),
    sharpe: annualised(deviation),
    sortino: annualised(downside),
  }
}

/** null: there is nothing to divide by, or the quotient is infinite. */
export const quotient = (dividend: number, divisor: number): number | null => finite(dividend / divisor)

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const meanOf = (values: readonly number[]): number => sum(values) / values.length

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

function returnsOf(initialCapital: number, equity: readonly number[]): number[] {
  return equity.flatMap((value, i) => {
    const before = equity[i - 1] ?? initialCapital
    return before > 0 ? value / before - 1 : []
  })
}

function drawdown(initialCapital: number, equity: readonly number[]): number {
  let peak = initialCapital
  let largest = 0
  for (const value of equity) {
    peak = Math.max(peak, value)
    largest = Math.max(largest, 1 - value / peak)
  }
  return largest
}
