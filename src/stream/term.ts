/**
 * How long a term is trusted after the database has confirmed it: shorter than any other process takes to begin the
 * next.
 */
export const trustedMs = 5000

/** A term as its holder, the leading process, knows it. */
export class Term {
  /** Names the term: the name of a later term is greater. */
  readonly run: string
  /** By a monotonic clock. */
  #confirmedMs: number
  readonly #nowMs: () => number

  /** `askedMs`: when the confirmation was asked for. */
  constructor(run: string, askedMs: number, nowMs: () => number = () => performance.now()) {
    this.run = run
    this.#confirmedMs = askedMs
    this.#nowMs = nowMs
  }

  /**
   * Whether nobody else can lead yet. Also false for a process that has just resumed after a pause: another may lead by
   * now.
   */
  get holds(): boolean {
    return this.#nowMs() - this.#confirmedMs < trustedMs
  }

  confirm(askedMs: number): void {
    this.#confirmedMs = askedMs
  }
}
