import { type FinstageError, readerTooSlow } from '../domain/errors.ts'
import {
  changeOf,
  type EnqueueRequest,
  hasEnded,
  type Job,
  type JobActionOutcome,
  type JobKind,
} from '../domain/job.ts'
import type { JobFilter, JobStore } from '../store/jobs/job-store.ts'
import type { Bus } from '../stream/bus.ts'
import { Channel } from '../stream/channel.ts'
import { JobFeed } from './job-feed.ts'
import type { Task } from './queue/define-task.ts'

/** How many changes wait for a slow reader before it is spared those of progress alone. */
const maxWaiting = 1024
/** How many may wait all the same, since they are states, before its stream is ended. */
const maxStates = 10_000

/**
 * A change of a job. A reader for whom over 10,000 states wait gets those, then LIMIT_EXCEEDED as the last: how the jobs stand
 * is in the store.
 */
export type JobNews = Job | FinstageError

/** Jobs as the API sees them: queued here, run by a worker somewhere, followed over the bus. */
export class JobService {
  readonly #store: JobStore
  readonly #bus: Bus
  readonly #tasks: ReadonlyMap<JobKind, Task>
  readonly #feed: JobFeed
  /** What is open, and what is told when it has ended. */
  readonly #channels = new Map<Channel<JobNews>, PromiseWithResolvers<void>>()

  constructor(options: { store: JobStore; bus: Bus; tasks: readonly Task[] }) {
    this.#store = options.store
    this.#bus = options.bus
    this.#tasks = new Map(options.tasks.map((task) => [task.kind, task]))
    this.#feed = new JobFeed(options)
  }

  /** Throws BAD_USER_INPUT where the input is wrong, or the idempotency key was used with another one. */
  async enqueue(request: EnqueueRequest): Promise<{ job: Job; deduplicated: boolean }> {
    const task = this.#tasks.get(request.kind)
    if (!task) throw new Error(`there is no task for jobs of the kind ${request.kind}`)
    const queued = await this.#store.enqueue({ ...task.defaults, ...request, input: task.parse(request.input) })
    if (!queued.deduplicated) this.#bus.publish('job', changeOf(queued.job))
    return queued
  }

  /** Drops a job that waits, and tells one that runs to stop: it is CANCELLED at once either way. */
  cancel(id: string, owner: string): Promise<JobActionOutcome> {
    return this.#act(id, owner, () => this.#store.cancel(id, owner))
  }

  /** Queues a job again that has failed or was cancelled, with all its attempts. */
  retry(id: string, owner: string): Promise<JobActionOutcome> {
    return this.#act(id, owner, () => this.#store.requeue(id, owner))
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
  async follow(id: string, owner: string): Promise<AsyncIterableIterator<JobNews> | null> {
    const channel = this.#channel()
    const followed = this.#feed.follow(id, owner, (job) => {
      channel.push(job)
      if (hasEnded(job.state)) channel.end()
    })
    return (await this.#untilEnd(channel, followed)) ? channel : null
  }

  /** Each change of any job of an owner from now on, without end. */
  async followAll(owner: string): Promise<AsyncIterableIterator<JobNews>> {
    const channel = this.#channel()
    await this.#untilEnd(
      channel,
      this.#feed.followAll(owner, (job) => channel.push(job)),
    )
    return channel
  }

  /** Ends every stream. */
  stop(): void {
    for (const channel of [...this.#channels.keys()]) void channel.return()
  }

  async #act(id: string, owner: string, change: () => Promise<Job | null>): Promise<JobActionOutcome> {
    const job = await change()
    if (job) {
      this.#bus.publish('job', changeOf(job))
      return { outcome: 'done', job }
    }
    const found = await this.find(id, owner)
    return found ? { outcome: 'wrongState', state: found.state } : { outcome: 'notFound' }
  }

  #channel(): Channel<JobNews> {
    const channel: Channel<JobNews> = new Channel<JobNews>({
      maxWaiting,
      // An error is the last that comes.
      compact: (waiting) => withoutOldProgress(waiting as readonly Job[]),
      bound: { waiting: maxStates, last: () => readerTooSlow(maxStates, 'changes of jobs') },
      onEnd: () => {
        this.#channels.get(channel)?.resolve()
        this.#channels.delete(channel)
      },
    })
    this.#channels.set(channel, Promise.withResolvers<void>())
    return channel
  }

  /** Stops to follow when the channel ends, which may be before; ends it where there is nothing to follow. */
  async #untilEnd(channel: Channel<JobNews>, following: Promise<{ stop: () => void } | null>): Promise<boolean> {
    const ended = this.#channels.get(channel)?.promise
    const followed = await following.catch((error: unknown) => {
      void channel.return()
      throw error
    })
    if (followed) void ended?.then(followed.stop)
    else void channel.return()
    return followed !== null
  }
}

/** Every state of each job stays, and of its progress the newest. */
function withoutOldProgress(jobs: readonly Job[]): Job[] {
  const kept: Job[] = []
  const next = new Map<string, Job>()
  for (const job of jobs.toReversed()) {
    const later = next.get(job.id)
    next.set(job.id, job)
    const before = later === undefined || later.state !== job.state || later.attempt !== job.attempt
    if (before) kept.push(job)
  }
  return kept.reverse()
}
