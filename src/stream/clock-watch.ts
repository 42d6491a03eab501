/** Smaller steps are corrections of a synchronised clock. */
const stepMs = 1000

/** Notices when a clock is put back. */
export class ClockWatch {
  readonly #now: () => number
  readonly #steadyMs: () => number
  #last: { readonly now: number; readonly steadyMs: number }

  /** `now`: epoch milliseconds. `steadyMs`: milliseconds of a monotonic clock. */
  constructor(now: () => number = Date.now, steadyMs: () => number = () => performance.now()) {
    this.#now = now
    this.#steadyMs = steadyMs
    this.#last = { now: now(), steadyMs: steadyMs() }
  }

  /** Whether the clock was put back since the last call. */
  wasPutBack(): boolean {
    const last = this.#last
    this.#last = { now: this.#now(), steadyMs: this.#steadyMs() }
    return this.#last.steadyMs - last.steadyMs - (this.#last.now - last.now) > stepMs
  }
}
