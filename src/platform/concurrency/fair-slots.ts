import { WaitingLine } from './waiting-line.ts'

/** How soon `mayBegin` is asked again after it said no. */
const askAgainMs = 2

interface Job {
  running: number
  readonly line: WaitingLine
}

/**
 * Bounds how many pieces of work run at once over all jobs, and shares these slots fairly among the jobs. A free slot
 * goes to the job with the fewest running pieces; among equals, to the one that has gone longest without a slot since
 * it last gave one back, or since it came. Within a job, the oldest piece is next.
 *
 * So jobs with waiting work come to hold the same number of slots, give or take one. While a job waits without running
 * anything, every other job gets at most one slot. When one big job holds all slots, a new job gets the next free one.
 */
export class FairSlots {
  #free: number
  /** The job that has gone without longest comes first. Jobs with nothing running and nothing waiting are forgotten. */
  readonly #jobs = new Map<unknown, Job>()
  readonly #mayBegin: () => boolean
  #askAgain: NodeJS.Timeout | undefined

  /** `mayBegin` is asked before work begins; after a no, it is asked again a little later. */
  constructor(count: number, mayBegin: () => boolean = () => true) {
    this.#free = count
    this.#mayBegin = mayBegin
  }

  /** How many pieces of work hold a slot. */
  get running(): number {
    let running = 0
    for (const job of this.#jobs.values()) running += job.running
    return running
  }

  /** How many pieces of work wait for a slot. */
  get waiting(): number {
    let waiting = 0
    for (const { line } of this.#jobs.values()) waiting += line.length
    return waiting
  }

  /**
   * `job`: a name or an object that stands for the job. An abort removes waiting work from the queue and rejects with
   * the signal's reason; running work has to watch the signal itself.
   */
  async run<T>(job: unknown, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turn(job, signal)
    try {
      // It may have been aborted between the turn and here.
      signal?.throwIfAborted()
      return await work()
    } finally {
      this.#giveBack(job)
    }
  }

  async #turn(name: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const job = this.#jobs.get(name) ?? { running: 0, line: new WaitingLine() }
    this.#jobs.set(name, job)
    const turn = job.line.wait(signal, () => {
      if (isIdle(job)) this.#jobs.delete(name)
    })
    this.#handOut()
    await turn
  }

  #giveBack(name: unknown): void {
    const job = this.#jobs.get(name) as Job
    this.#free += 1
    job.running -= 1
    this.#jobs.delete(name)
    if (!isIdle(job)) this.#jobs.set(name, job)
    this.#handOut()
  }

  #handOut(): void {
    while (this.#free > 0) {
      const job = this.#next()
      if (!job) return
      if (!this.#mayBegin()) {
        this.#askAgain ??= setTimeout(() => {
          this.#askAgain = undefined
          this.#handOut()
        }, askAgainMs)
        return
      }
      job.running += 1
      this.#free -= 1
      job.line.next()
    }
  }

  #next(): Job | undefined {
    let next: Job | undefined
    for (const job of this.#jobs.values()) {
      if (job.line.length > 0 && (!next || job.running < next.running)) next = job
    }
    return next
  }
}

const isIdle = (job: Job): boolean => job.running === 0 && job.line.length === 0
