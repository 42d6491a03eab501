/**
 * How many retries each first attempt earns. Below the tenth that is allowed: cookie, crumb and the reserve come on
 * top.
 */
const earnedPerCall = 0.08
const reserve = 1
const most = 10

/**
 * Bounds the further requests that failures may cause, for all callers together: when everything fails, each caller's
 * few retries would multiply the load just when the source can bear it least.
 */
export class RetryBudget {
  #retries = reserve

  /** A first attempt was made. */
  earn(): void {
    this.#retries = Math.min(most, this.#retries + earnedPerCall)
  }

  /**
   * Whether this many requests may be made. It takes only one earned retry to be allowed: a more expensive request may
   * leave a debt, so that it is possible at all, and nothing further is allowed until the debt is earned back.
   */
  take(requests = 1): boolean {
    // 12.5 calls earn one retry; added up in binary they may fall short by a hair.
    if (this.#retries < 1 - 1e-9) return false
    this.#retries -= requests
    return true
  }

  giveBack(): void {
    this.#retries = Math.min(most, this.#retries + 1)
  }
}
