/**
 * Work in steps, none of which takes longer than about half a millisecond: others may have their turn after each one.
 * Returns its result.
 */
export type Steps<T> = Generator<undefined, T>

/** Does work in steps: at once, or so that others have their turns. */
export type RunSteps = <T>(steps: Steps<T>) => T | Promise<T>

/** Does all of the work at once. */
export function finished<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (!step.done) step = steps.next()
  return step.value
}

/**
 * Calls `part` for each part of [from, to), of `length` each, with a pause after each one. What takes less than half of a
 * step needs no pause.
 */
export function inParts(
  from: number,
  to: number,
  length: number,
  part: (from: number, to: number) => void,
): Iterable<undefined> {
  if (to - from > length) return parts(from, to, length, part)
  if (from < to) part(from, to)
  return 2 * (to - from) < length ? noPause : onePause
}

const noPause: readonly undefined[] = []
const onePause = [undefined] as const

function* parts(from: number, to: number, length: number, part: (from: number, to: number) => void): Steps<void> {
  for (let at = from; at < to; at += length) {
    part(at, Math.min(to, at + length))
    yield
  }
}

/** One step, and a pause after it. */
export function* inOneStep<T>(work: () => T): Steps<T> {
  const result = work()
  yield
  return result
}

/** Work that several wait for: each goes on with it where another has paused, so that it is done once. */
export class SharedSteps<T> {
  readonly #steps: Steps<T>
  #outcome: (() => T) | undefined

  constructor(steps: Steps<T>) {
    this.#steps = steps
  }

  /** What is left of it. */
  *rest(): Steps<T> {
    while (!this.#outcome) {
      try {
        const step = this.#steps.next()
        if (step.done) this.#outcome = () => step.value
      } catch (error) {
        this.#outcome = () => {
          throw error
        }
      }
      if (!this.#outcome) yield
    }
    return this.#outcome()
  }
}
