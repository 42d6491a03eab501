import type { StandingLimits } from './standing-points.ts'

export interface PriceSettings {
  /** measure: what costs more than it may is counted and served. */
  readonly mode: 'measure' | 'enforce'
  /** Points of one operation. */
  readonly ceiling: number
  /** Points of all subscriptions that are open. */
  readonly standing: StandingLimits
}

export const usualPriceSettings: PriceSettings = {
  mode: 'enforce',
  ceiling: 200_000,
  standing: { ofConnection: 50_000, ofClient: 100_000, inAll: 2_000_000 },
}
