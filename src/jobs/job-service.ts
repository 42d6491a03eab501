import { changeOf, hasEnded, type Job, type JobChange } from '../domain/job.ts'
import type { JobFilter, JobStore, NewJob } from '../store/job-store.ts'
import type { Bus } from '../stream/bus.ts'
import { Channel } from '../stream/channel.ts'

/** How many changes wait for a slow reader before it is told only how its jobs stand now. */
const maxWaiting = 1024

/** Jobs as the API sees them: queued here, run by a worker somewhere, followed over the bus. */
export class JobService {
  readonly #store: JobStore
  readonly #bus: Bus
  readonly #channels = new Set<Channel<Job>>()

  constructor(options: { store: JobStore; bus: Bus }) {
    this.#store = options.store
    this.#bus = options.bus
  }

  /** Throws BAD_USER_INPUT where the idempotency key was used with another input. */
  async enqueue(job: NewJob): Promise<{ job: Job; deduplicated: boolean }> {
    const queued = await this.#store.enqueue(job)
    if (!queued.deduplicated) this.#bus.publish('job', changeOf(queued.job))
    return queued
  }

  /** null where there is none of this id, or it is somebody else's. */
  async find(id: string, owner: string): Promise<Job | null> {
    const job = await this.#store.find(id)
    return job?.owner === owner ? job : null
  }

  list(owner: string, filter: JobFilter): Promise<Job[]> {
    return this.#store.list(owner, filter)
  }

  result(id: string): Promise<unknown> {
    return this.#store.result(id)
  }

  /** The job as it stands, then each change until it has ended. null as in `find`. */
  async follow(id: string, owner: string): Promise<AsyncIterableIterator<Job> | null> {
    const missed: JobChange[] = []
    let take = (change: JobChange): unknown => missed.push(change)
    const read = async (): Promise<Job | null> => this.find(id, owner)
    const unsubscribe = this.#subscribe(
      (change) => {
        if (change.id === id) take(change)
      },
      () => read().then((job) => job && take(job), ignored),
    )
    let job = await read().catch((error: unknown) => {
      unsubscribe()
      throw error
    })
    if (!job) {
      unsubscribe()
      return null
    }
    const updates = this.#channel(unsubscribe)
    updates.push(job)
    if (hasEnded(job.state)) updates.end()
    take = (change) => {
      if (!job || change.revision <= job.revision) return
      job = { ...job, ...change }
      updates.push(job)
      if (hasEnded(job.state)) updates.end()
    }
    missed.forEach(take)
    return updates
  }

  /** Each change of any job of an owner from now on, without end. */
  followAll(owner: string): AsyncIterableIterator<Job> {
    const updates = this.#channel(() => unsubscribe())
    // One after the other, so that the changes of a job keep their order.
    let telling = Promise.resolve()
    const tell = async (change: JobChange): Promise<void> => {
      const job = await this.#store.find(change.id)
      if (job) updates.push(job.revision > change.revision ? job : { ...job, ...change })
    }
    const unsubscribe = this.#subscribe(
      (change) => {
        if (change.owner === owner) telling = telling.then(() => tell(change)).catch(ignored)
      },
      () => {},
    )
    return updates
  }

  /** Ends every stream. */
  stop(): void {
    for (const channel of [...this.#channels]) void channel.return()
  }

  #subscribe(onChange: (change: JobChange) => void, onReconnected: () => void): () => void {
    const stops = [this.#bus.subscribe('job', onChange), this.#bus.subscribe('reconnected', onReconnected)]
    return () => {
      for (const stop of stops) stop()
    }
  }

  #channel(onEnd: () => void): Channel<Job> {
    const channel: Channel<Job> = new Channel<Job>({
      maxWaiting,
      compact: newestOfEachJob,
      onEnd: () => {
        this.#channels.delete(channel)
        onEnd()
      },
    })
    this.#channels.add(channel)
    return channel
  }
}

/** The database is away: the next change is told when it is back. */
const ignored = (): void => {}

const newestOfEachJob = (jobs: readonly Job[]): Job[] => [...new Map(jobs.map((job) => [job.id, job])).values()]
