export interface PriceSettings {
  /** measure: operations above the ceiling are counted and executed. */
  readonly mode: 'measure' | 'enforce'
  /** Points of one operation. */
  readonly ceiling: number
}

export const usualPriceSettings: PriceSettings = { mode: 'enforce', ceiling: 200_000 }
