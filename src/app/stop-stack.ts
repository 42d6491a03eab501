type Stop = () => unknown

/** What has to be stopped, the newest first. */
export class StopStack {
  readonly #stops: Stop[] = []

  push(stop: Stop): void {
    this.#stops.push(stop)
  }

  /** Stopped after all others, even after those that were pushed before. */
  pushLast(stop: Stop): void {
    this.#stops.unshift(stop)
  }

  /** Goes on after a failure. Rejects with an AggregateError of all that did not stop cleanly. */
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
