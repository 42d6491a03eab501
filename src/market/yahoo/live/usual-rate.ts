/** Over how many minutes a symbol's usual rate is the mean; later minutes weigh as much as one of these. */
const usualMinutes = 30

/**
 * How many frames a symbol usually gets in a minute of its session, learnt from whole minutes. A minute is from one call
 * of `minute` to the next, for all symbols alike.
 */
export class UsualRate {
  /** -1: the minute began before the symbol was watched. */
  #frames = -1
  #minutes = 0
  #perMinute = 0
  /** Minutes of the session in a row, so far. */
  #inSession = 0

  frame(): void {
    if (this.#frames >= 0) this.#frames++
  }

  /** A minute is over. */
  minute(isInSession: boolean): void {
    // The session has to have lasted for the whole minute.
    if (this.#frames >= 0 && isInSession && this.#inSession > 0) {
      this.#minutes++
      this.#perMinute += (this.#frames - this.#perMinute) / Math.min(this.#minutes, usualMinutes)
    }
    this.#inSession = isInSession ? this.#inSession + 1 : 0
    this.#frames = 0
  }

  /**
   * Frames a second to be expected at present, if the symbol is in its session: none until the session has lasted for a
   * minute, since a rate over the last half minute would have to include the time before it.
   */
  get expectedPerSecond(): number {
    return this.#inSession > 1 ? this.#perMinute / 60 : 0
  }
}
