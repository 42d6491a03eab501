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

/** When this many changes wait for a slow reader, it no longer gets those that only change progress. */
const maxWaiting = 1024
/** When this many changes of state wait for a reader, its stream ends. */
const maxStates = 10_000

/**
 * A change of a job. When over 10,000 changes of state wait for a reader, it gets those and then LIMIT_EXCEEDED as the
 * last. The store has the jobs as they are.
 */
export type JobNews = Job | FinstageError

/**
 * Jobs as the API sees them. It queues them here; a worker in some process runs them; followers hear of changes over
 * the bus.
 */
export class JobService {
  readonly #store: JobStore
  readonly #bus: Bus
  readonly #tasks: ReadonlyMap<JobKind, Task>
  readonly #feed: JobFeed
  /** The open streams, each with a promise that resolves when it ends. */
  readonly #channels = new Map<Channel<JobNews>, PromiseWithResolvers<void>>()

  constructor(options: { store: JobStore; bus: Bus; tasks: readonly Task[] }) {
    this.#store = options.store
    this.#bus = options.bus
    this.#tasks = new Map(options.tasks.map((task) => [task.kind, task]))
    this.#feed = new JobFeed(options)
  }

  /** Throws BAD_USER_INPUT when the input is wrong, or the idempotency key was used with another input. */
  async enqueue(request: EnqueueRequest): Promise<{ job: Job; deduplicated: boolean }> {
    const task = this.#tasks.get(request.kind)
    if (!task) throw new Error(`there is no task for jobs of the kind ${request.kind}`)
    const queued = await this.#store.enqueue({ ...task.defaults, ...request, input: task.parse(request.input) })
    if (!queued.deduplicated) this.#bus.publish('job', changeOf(queued.job))
    return queued
  }

  /** Makes a job CANCELLED at once: drops one that waits, and tells the worker of one that runs to stop. */
  cancel(id: string, owner: string): Promise<JobActionOutcome> {
    return this.#act(id, owner, () => this.#store.cancel(id, owner))
  }

  /** Queues a failed or cancelled job again, with all its attempts. */
  retry(id: string, owner: string): Promise<JobActionOutcome> {
    return this.#act(id, owner, () => this.#store.requeue(id, owner))
  }

  /** null: the owner has no job of this id. */
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

  /** The job as it is, then each change until it has ended. null as in `find`. */
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
      // Only the last item can be an error, and none is waiting yet.
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

  /**
   * Stops following when the channel ends, which may be before following began. Ends the channel when there is nothing
   * to follow.
   */
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

/** Keeps every change of state of each job, and only the newest progress. */
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
