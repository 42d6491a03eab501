/** How soon it is looked again whether work may begin. */
const retryMs = 2

interface Job {
  running: number
  readonly waiting: Set<PromiseWithResolvers<void>>
}

/**
 * Bounds how many pieces of work run at once, of all jobs together, and shares these slots among the jobs. A free slot goes to
 * the job with the fewest pieces running; among equals to the one that has gone without longest: since it last gave a slot
 * back, or since it came. Within a job the oldest piece is next.
 *
 * So jobs that have work waiting come to hold the same number of slots, give or take one. While a job runs nothing but waits,
 * each other one gets one slot at most. What comes while one big job holds all the slots gets the next that is free.
 */
export class FairSlots {
  #free: number
  /** Whoever has gone without longest first. Jobs with nothing running and nothing waiting are forgotten. */
  readonly #jobs = new Map<unknown, Job>()
  #waiting = 0
  readonly #mayBegin: () => boolean
  #retry: NodeJS.Timeout | undefined

  /** `mayBegin` is asked before work begins, and again a little later where it says no. */
  constructor(count: number, mayBegin: () => boolean = () => true) {
    this.#free = count
    this.#mayBegin = mayBegin
  }

  /** How many pieces of work wait for a slot. */
  get waiting(): number {
    return this.#waiting
  }

  /** `job`: by a name, or an object that stands for it. An abort takes `work` out of the queue and rejects with the signal's reason; what runs already has to see to it itself. */
  async run<T>(job: unknown, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turn(job, signal)
    try {
      // Between the turn and here it may have been aborted.
      signal?.throwIfAborted()
      return await work()
    } finally {
      this.#giveBack(job)
    }
  }

  async #turn(name: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const job = this.#jobs.get(name) ?? { running: 0, waiting: new Set() }
    const turn = Promise.withResolvers<void>()
    const leave = (): void => {
      job.waiting.delete(turn)
      this.#waiting -= 1
      if (isIdle(job)) this.#jobs.delete(name)
      turn.reject(signal?.reason)
    }
    this.#jobs.set(name, job)
    job.waiting.add(turn)
    this.#waiting += 1
    signal?.addEventListener('abort', leave, { once: true })
    this.#handOut()
    await turn.promise.finally(() => signal?.removeEventListener('abort', leave))
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
      const [turn] = job?.waiting ?? []
      if (!job || !turn) return
      if (!this.#mayBegin()) {
        this.#retry ??= setTimeout(() => {
          this.#retry = undefined
          this.#handOut()
        }, retryMs)
        return
      }
      job.waiting.delete(turn)
      this.#waiting -= 1
      job.running += 1
      this.#free -= 1
      turn.resolve()
    }
  }

  #next(): Job | undefined {
    let next: Job | undefined
    for (const job of this.#jobs.values()) {
      if (job.waiting.size > 0 && (!next || job.running < next.running)) next = job
    }
    return next
  }
}

const isIdle = (job: Job): boolean => job.running === 0 && job.waiting.size === 0
