import { dayOf } from './test-yahoo-sessions.ts'

/** What test Yahoo rewrites its history for. */
export interface Actions {
  readonly splits: readonly Split[]
  readonly dividends: readonly Dividend[]
}

export interface Split {
  /** The first day after it, counted from 1970-01-01. */
  readonly day: number
  readonly numerator: number
  readonly denominator: number
}

export interface Dividend {
  /** The first day without it. */
  readonly day: number
  /** As it was paid on that day. */
  readonly amount: number
}

export const noActions: Actions = { splits: [], dividends: [] }

export const withSplit = (actions: Actions, date: string, numerator: number, denominator: number): Actions => ({
  ...actions,
  splits: [...actions.splits, { day: dayOf(date), numerator, denominator }],
})

export const withDividend = (actions: Actions, date: string, amount: number): Actions => ({
  ...actions,
  dividends: [...actions.dividends, { day: dayOf(date), amount }],
})

/** Those whose day has come. */
export const actionsUpTo = (today: number, { splits, dividends }: Actions): Actions => ({
  splits: splits.filter(({ day }) => day <= today),
  dividends: dividends.filter(({ day }) => day <= today),
})

/** How many of today's shares a share of that day has become. */
export const sharesSince = (day: number, { splits }: Actions): number =>
  splits.reduce((shares, split) => (split.day > day ? (shares * split.numerator) / split.denominator : shares), 1)

/** The dividend in today's shares, as Yahoo tells of it. */
export const amountNow = ({ day, amount }: Dividend, actions: Actions): number => amount / sharesSince(day, actions)

/**
 * What Yahoo multiplies a close with for its adjusted close: for each dividend since, the part of the close of the day before
 * that was left. `closeBefore` is of that day, adjusted for splits.
 */
export function dividendFactors(
  actions: Actions,
  closeBefore: (dividend: Dividend) => number,
): (day: number) => number {
  const left = actions.dividends.map((dividend) => ({
    day: dividend.day,
    factor: 1 - amountNow(dividend, actions) / closeBefore(dividend),
  }))
  return (day) => left.reduce((product, each) => (each.day > day ? product * each.factor : product), 1)
}
