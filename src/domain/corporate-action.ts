/** A payment per share. */
export interface Dividend {
  /** Midnight UTC, in epoch seconds, of the ex-date: the first trading date without it. */
  readonly epoch: number
  /** Per share, adjusted for the splits since. */
  readonly amount: number
  /** As the source writes it, which need not be the currency of the prices; null: it does not say, so it is that. */
  readonly currency: string | null
}

/** From its date on there are `numerator` shares for every `denominator` before. */
export interface Split {
  /** Midnight UTC, in epoch seconds, of the first trading date after it. */
  readonly epoch: number
  readonly numerator: number
  readonly denominator: number
}

/** The dividends and splits of a range of trading dates, oldest first. */
export interface CorporateActions {
  readonly dividends: readonly Dividend[]
  readonly splits: readonly Split[]
}
