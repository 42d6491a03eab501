import { shortestDecimal } from './float32.ts'
import { adjustedCloseOf, type PricedRow } from './rows.ts'

/** What was paid for a share from a trading date on. */
export interface Payment {
  /** Midnight UTC of the ex-date, in epoch seconds. */
  readonly epoch: number
  /** In the currency of the prices; null: in another one, or impossible. */
  readonly amount: number | null
  /** A fund's capital gains of that date. Yahoo counts them in `amount`, but not always did. */
  readonly gains: number
}

/**
 * A payment with a capital gain of its date: part of the dividend, unless the dividend is too small for that. null: the
 * gain is in another currency.
 */
export function withGain({ epoch, amount, gains }: Payment, gain: number | null): Payment {
  if (amount === null || gain === null) return { epoch, amount: null, gains }
  return amount < gain ? { epoch, amount: amount + gain, gains } : { epoch, amount, gains: gains + gain }
}

/**
 * How far a step of the adjustment may be off: Yahoo's float32 values and rounded amounts differ from the exact ones by
 * less than this, as a share of the price and of the payment.
 */
const slackOfPrice = 5e-4
const slackOfPayment = 0.1
const exactly = 1e-12

/** Dividends lack their capital gains if the falls of the price would otherwise be off by this many times as much. */
const clearly = 3

/** So many days that agree with each other are believed, rather than one newer day that does not. */
const agreeing = 3

/** A day with an adjusted close that can be true by itself. */
interface Share {
  /** Its place among the days. */
  readonly at: number
  readonly close: number
  readonly adjustedClose: number
  /** The adjusted close as a share of the close: above 0, at most 1. */
  readonly share: number
  /** How many of the payments were made up to this day. */
  readonly paid: number
}

/**
 * The adjusted closes of days, in their order; null: the day has none that can be true. From one day to the next the
 * share stays, or takes the step of a dividend, which is 1 - paid / close before (CRSP's rule, and Yahoo's). Where Yahoo
 * takes another step, as it does when it takes a dividend off twice or not at all, the days before it are corrected by
 * the difference: a dividend is taken off the days before it, so the newest days are right.
 *
 * Steps over days without an adjusted close are judged only if a dividend lies there. Steps over a dividend in another
 * currency are not judged, but lead to no share above the next day's.
 *
 * `mended` is called with each day that gets another adjusted close than Yahoo sent, or none.
 */
export function adjustedCloses<T extends PricedRow>(
  days: readonly T[],
  payments: readonly Payment[],
  mended: (day: T) => void,
): (number | null)[] {
  const paid = payments.toSorted((a, b) => a.epoch - b.epoch)
  const shares = withoutStrayNewest(sharesOf(days, paid))
  const result: (number | null)[] = days.map(() => null)
  const lackGains = dividendsLackGains(shares, paid)
  let correction = 1
  let next: Share | null = null
  for (const each of shares.toReversed()) {
    if (next) correction *= correctionOf(each, next, paid, lackGains)
    // Two faults that cancel each other do so up to rounding.
    if (Math.abs(correction - 1) < exactly) correction = 1
    const { at, close, adjustedClose } = each
    const right = correction === 1 ? adjustedClose : shortestDecimal(Math.fround(adjustedClose * correction))
    result[at] = Math.min(right, close)
    next = each
  }
  for (const [at, day] of days.entries()) {
    const [sent, right] = [adjustedCloseOf(day), result[at] ?? null]
    if (sent !== null && (right === null || !isStep(sent / right, 1))) mended(day)
  }
  return result
}

/** The days that have an adjusted close. `paid`: the oldest first. */
function sharesOf(days: readonly PricedRow[], paid: readonly Payment[]): Share[] {
  const shares: Share[] = []
  let count = 0
  for (const [at, day] of days.entries()) {
    while ((paid[count]?.epoch ?? Number.POSITIVE_INFINITY) <= day.epoch) count++
    const adjustedClose = adjustedCloseOf(day)
    if (adjustedClose === null) continue
    const share = adjustedClose / day.close
    if (share > 0 && share <= 1 + slackOfPrice) shares.push({ at, close: day.close, adjustedClose, share, paid: count })
  }
  return shares
}

/** All days before the newest would be corrected to follow it, so it has to agree with some of them. */
function withoutStrayNewest(shares: readonly Share[]): readonly Share[] {
  const [newest, ...before] = shares.slice(-agreeing - 1).reverse()
  const [last] = before
  if (!newest || !last || last.paid < newest.paid) return shares
  const step = last.share / newest.share
  if (newest.at !== last.at + 1 || Math.abs(step - 1) <= slackOfPrice) return shares
  const agree = before.every(({ share }) => Math.abs(share / last.share - 1) <= slackOfPrice)
  return step > 1 || (before.length === agreeing && agree) ? shares.slice(0, -1) : shares
}

/** Whether the price clearly fell by dividends and by the capital gains of their dates, so that neither holds the other. */
function dividendsLackGains(shares: readonly Share[], payments: readonly Payment[]): boolean {
  if (payments.every(({ gains }) => gains === 0)) return false
  let [ifHeld, ifApart] = [0, 0]
  for (const [i, next] of shares.entries()) {
    const day = shares[i - 1]
    if (!day) continue
    for (const { amount, gains } of payments.slice(day.paid, next.paid)) {
      if (gains === 0 || amount === null) continue
      ifHeld += Math.abs(day.close - next.close - amount)
      ifApart += Math.abs(day.close - next.close - amount - gains)
    }
  }
  return ifApart * clearly < ifHeld
}

/** What the adjusted closes up to a day have to be multiplied by, so that the step to the next day is right. */
function correctionOf(day: Share, next: Share, payments: readonly Payment[], lackGains: boolean): number {
  const step = day.share / next.share
  // Most days: nothing is allocated for them.
  if (day.paid === next.paid && (next.at !== day.at + 1 || isStep(step, 1))) return 1
  const between = payments.slice(day.paid, next.paid)
  const paid = between.reduce<number | null>(
    (sum, { amount }) => (sum === null || amount === null ? null : sum + amount),
    0,
  )
  const right = paid === null || paid >= day.close ? Math.min(step, 1) : 1 - paid / day.close
  if (isStep(step, right)) return 1
  const gains = lackGains ? between.reduce((sum, { gains }) => sum + gains, 0) : 0
  if (gains > 0 && isStep(step, right - gains / day.close)) return 1
  // A dividend told in the other unit, pounds instead of pence, was taken off in the right one.
  const isOtherUnit = [100, 0.01].some((factor) => {
    const other = 1 - ((paid ?? 0) * factor) / day.close
    return other < 1 - 2 * slackOfPrice && isStep(step, other)
  })
  return isOtherUnit ? 1 : right / step
}

const isStep = (step: number, right: number): boolean =>
  Math.abs(step - right) <= slackOfPrice + slackOfPayment * (1 - right)
