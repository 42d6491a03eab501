type Stop = () => unknown

/** Stops what was started, in reverse order. */
export class StopStack {
  readonly #stops: Stop[] = []

  push(stop: Stop): void {
    this.#stops.push(stop)
  }

  /** Stops this after all others, even those that were pushed before it. */
  pushLast(stop: Stop): void {
    this.#stops.unshift(stop)
  }

  /** Goes on after a failure. Rejects with an AggregateError of everything that did not stop cleanly. */
  async stopAll(): Promise<void> {
    const failures: unknown[] = []
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      try {
        await stop()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped cleanly')
  }
}
