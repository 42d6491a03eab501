/** What every first attempt earns, in retries. Below the tenth that is allowed: cookie, crumb and the reserve come on top. */
const earnedPerCall = 0.08
const reserve = 1
const most = 10

/**
 * How many further requests failures may cause, for all callers together: where everything fails, each caller's few retries
 * would multiply the load just when it can be borne least.
 */
export class RetryBudget {
  #retries = reserve

  /** A first attempt was made. */
  earn(): void {
    this.#retries = Math.min(most, this.#retries + earnedPerCall)
  }

  /**
   * Whether so many requests may be made. There need not be more than one in the purse: what costs more may leave a debt, so
   * that it can be had at all, and nothing further until that is earned.
   */
  take(requests = 1): boolean {
    // 12.5 calls earn one; added up in binary they may fall short by a hair.
    if (this.#retries < 1 - 1e-9) return false
    this.#retries -= requests
    return true
  }

  giveBack(): void {
    this.#retries = Math.min(most, this.#retries + 1)
  }
}
