/** `always`: the market never closes. `exchange`: each exchange keeps the hours of its calendar. */
export const simulatedHours = ['always', 'exchange'] as const
export type SimulatedHours = (typeof simulatedHours)[number]

/** When prices move most. */
export type Home = 'AMERICA' | 'EUROPE' | 'ASIA' | 'DAY_AND_NIGHT' | 'CURRENCY' | 'CRYPTO'

/** How the variance of a year is spread over its days, and that of a day over its hours. */
export interface Rhythm {
  /** The share of a day's variance that lies between the close before and the open. */
  readonly gap: number
  /** Variance of a weekday and of a day at the weekend, in average days. */
  readonly weekday: number
  readonly weekend: number
  /** The share of the variance after the gap that each hour of the day (UTC) has, its root, and the sum up to each. */
  readonly hour: Float64Array
  readonly hourRoot: Float64Array
  readonly until: Float64Array
}

/** Weights of the hours (UTC) in which the exchanges of a place are open, come before or after, and are closed. */
const weights: Readonly<Record<Home, (hour: number) => number>> = {
  AMERICA: (hour) => (hour >= 13 && hour < 21 ? 10 : hour >= 8 ? 1.5 : 0.8),
  EUROPE: (hour) => (hour >= 7 && hour < 17 ? 8 : 1),
  ASIA: (hour) => (hour < 8 ? 10 : 1),
  DAY_AND_NIGHT: (hour) => (hour >= 7 && hour < 20 ? 2 : 1),
  CURRENCY: (hour) => (hour >= 7 && hour < 20 ? 2 : 1),
  CRYPTO: () => 1,
}

/** Little happens while all exchanges of a place are closed for a weekend. */
const weekendVariance = 0.05

export function rhythmOf(home: Home, hours: SimulatedHours): Rhythm {
  const closes = hours === 'exchange' && home !== 'CRYPTO'
  const weekday = closes ? 7 / (5 + 2 * weekendVariance) : 1
  const hour = Float64Array.from({ length: 24 }, (_, each) => (hours === 'exchange' ? weights[home](each) : 1))
  const sum = hour.reduce((a, b) => a + b, 0)
  for (const [i, weight] of hour.entries()) hour[i] = weight / sum
  const until = new Float64Array(25)
  for (let i = 0; i < 24; i++) until[i + 1] = i === 23 ? 1 : (until[i] ?? 0) + (hour[i] ?? 0)
  return {
    // Where exchanges close, the hours in which they are closed make the gap.
    gap: hours === 'always' && home !== 'CRYPTO' && home !== 'CURRENCY' ? 0.015 : 0,
    weekday,
    weekend: closes ? weekday * weekendVariance : 1,
    hour,
    hourRoot: hour.map(Math.sqrt),
    until,
  }
}
