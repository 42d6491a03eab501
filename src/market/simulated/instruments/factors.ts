import { textKey } from '../walks/random.ts'
import type { Home, Rhythm } from '../walks/rhythm.ts'
import type { Walk } from '../walks/walks.ts'

/** What moves many instruments at once: name, yearly volatility, and where it is traded most. */
const table = [
  ['US', 0.155, 'AMERICA'],
  ['TECHNOLOGY', 0.12, 'AMERICA'],
  ['FINANCE', 0.11, 'AMERICA'],
  ['HEALTH', 0.1, 'AMERICA'],
  ['CONSUMER', 0.08, 'AMERICA'],
  ['BLUE_CHIPS', 0.045, 'AMERICA'],
  ['SMALL_COMPANIES', 0.1, 'AMERICA'],
  ['EUROPE', 0.11, 'EUROPE'],
  ['BRITAIN', 0.085, 'EUROPE'],
  ['JAPAN', 0.17, 'ASIA'],
  ['CHINA', 0.21, 'ASIA'],
  ['BONDS', 0.14, 'AMERICA'],
  ['GOLD', 0.145, 'DAY_AND_NIGHT'],
  ['OIL', 0.31, 'DAY_AND_NIGHT'],
  ['EURO', 0.06, 'CURRENCY'],
  ['CRYPTO', 0.5, 'CRYPTO'],
] as const satisfies readonly (readonly [string, number, Home])[]

export type FactorName = (typeof table)[number][0]

export interface Factor extends Walk {
  readonly name: FactorName
}

/** How much an instrument moves when a factor moves by 1: its beta. */
export type Loading = readonly [FactorName, number]

export function simulatedFactors(seed: number, rhythms: ReadonlyMap<Home, Rhythm>): ReadonlyMap<FactorName, Factor> {
  return new Map(
    table.flatMap(([name, yearlyVolatility, home]) => {
      const rhythm = rhythms.get(home)
      // No symbol has a space.
      return rhythm ? [[name, { name, key: textKey(seed, `factor ${name}`), yearlyVolatility, rhythm }]] : []
    }),
  )
}
