/** For how long a term is trusted after the database has confirmed it: shorter than any other process takes to begin the next. */
export const trustedMs = 5000

/** What one process knows of the term in which it leads. */
export class Term {
  /** Names it: a later term's name is greater. */
  readonly run: string
  /** By a clock that nobody sets. */
  #confirmedMs: number
  readonly #nowMs: () => number

  /** `askedMs`: when the database was asked for what it has confirmed. */
  constructor(run: string, askedMs: number, nowMs: () => number = () => performance.now()) {
    this.run = run
    this.#confirmedMs = askedMs
    this.#nowMs = nowMs
  }

  /** Whether nobody else can lead yet. false also for a process that has just gone on after a pause: another may lead by now. */
  get holds(): boolean {
    return this.#nowMs() - this.#confirmedMs < trustedMs
  }

  confirm(askedMs: number): void {
    this.#confirmedMs = askedMs
  }
}
