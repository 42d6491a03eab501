import { LRUCache } from 'lru-cache'
import { hasEnded, type Job, type JobChange } from '../domain/job.ts'
import { KeyedTurns } from '../platform/concurrency/keyed-turns.ts'
import { retrying } from '../platform/retry.ts'
import type { JobHistory, JobStore } from '../store/jobs/job-store.ts'
import type { Bus } from '../stream/bus.ts'

/** How many jobs are remembered as they were last delivered. */
const maxJobs = 10_000
/** For how many ended jobs the last delivered revision is remembered. */
const maxEnded = 50_000
/** How much later than its own timestamp a change may be committed. */
const commitMarginMs = 10_000
const retryPace = { firstMs: 500, longestMs: 1000 }

interface Listener {
  /** undefined: all jobs of the owner. */
  readonly id: string | undefined
  readonly owner: string
  readonly take: (job: Job) => void
}

/**
 * Delivers the changes of jobs to all followers in this process: those of one job in order, none left out and none
 * twice. It hears of changes over the bus. Changes that the bus did not deliver, because it was cut or the publisher
 * died, it reads from the jobs' history.
 */
export class JobFeed {
  readonly #store: JobStore
  readonly #bus: Bus
  readonly #listeners = new Set<Listener>()
  /** Jobs as they were last delivered. */
  readonly #jobs = new LRUCache<string, Job>({ max: maxJobs })
  /** The last delivered revision of the jobs that have not ended, and of those that have. */
  readonly #open = new Map<string, number>()
  readonly #ended = new LRUCache<string, number>({ max: maxEnded })
  /** Deliveries of one job run one after the other. */
  readonly #turns = new KeyedTurns()
  /** The newest `changedAtMs` that was delivered, by the database's clock. */
  #heardMs = 0
  #unsubscribe: (() => void) | undefined

  constructor(options: { store: JobStore; bus: Bus }) {
    this.#store = options.store
    this.#bus = options.bus
  }

  /** Delivers the job as it is, then each change. null: the owner has no such job. Call `stop` at the end. */
  async follow(id: string, owner: string, take: (job: Job) => void): Promise<{ stop: () => void } | null> {
    const early: Job[] = []
    let revision = -1
    const pass = (job: Job): void => {
      if (job.revision <= revision) return
      revision = job.revision
      take(job)
    }
    let deliver = (job: Job): unknown => early.push(job)
    const stop = this.#listen({ id, owner, take: (job) => deliver(job) })
    const job = await this.#store.find(id).catch((error: unknown) => {
      stop()
      throw error
    })
    if (job?.owner !== owner) {
      stop()
      return null
    }
    deliver = pass
    for (const each of [job, ...early]) pass(each)
    return { stop }
  }

  /** Delivers each change of any job of an owner from now on. Call `stop` at the end. */
  async followAll(owner: string, take: (job: Job) => void): Promise<{ stop: () => void }> {
    const early: Job[] = []
    let deliver = (job: Job): unknown => early.push(job)
    const stop = this.#listen({ id: undefined, owner, take: (job) => deliver(job) })
    const sinceMs = await this.#store.nowMs().catch((error: unknown) => {
      stop()
      throw error
    })
    this.#heardMs ||= sinceMs
    deliver = (job) => job.changedAtMs >= sinceMs && take(job)
    early.forEach(deliver)
    return { stop }
  }

  #listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    this.#unsubscribe ??= this.#subscribe()
    return () => {
      this.#listeners.delete(listener)
      if (listener.id !== undefined) this.#forget(listener.id, listener.owner)
      if (this.#listeners.size > 0) return
      this.#unsubscribe?.()
      this.#unsubscribe = undefined
      for (const memory of [this.#jobs, this.#open, this.#ended]) memory.clear()
      this.#heardMs = 0
    }
  }

  /** Forgets a job that nobody follows any more. */
  #forget(id: string, owner: string): void {
    if ([...this.#listeners].some((other) => other.owner === owner && (other.id ?? id) === id)) return
    this.#jobs.delete(id)
    this.#open.delete(id)
  }

  #subscribe(): () => void {
    const stops = [
      this.#bus.subscribe('job', (change) => this.#hear(change)),
      this.#bus.subscribe('reconnected', () => void this.#catchUp()),
      this.#bus.subscribe('jobsMissed', () => void this.#catchUp()),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  #hear(change: JobChange): void {
    if (![...this.#listeners].some((listener) => concerns(listener, change))) return
    void this.#turns.run(change.id, async () => {
      const delivered = this.#revision(change.id)
      if (change.revision <= delivered) return
      const job = this.#jobs.get(change.id)
      if (job && change.revision === delivered + 1) return this.#deliver({ ...job, ...change })
      const [history] = (await this.#persistently(() => this.#store.histories([change.id]))) ?? []
      if (history) this.#deliverAll(history)
    })
  }

  async #catchUp(): Promise<void> {
    const listeners = [...this.#listeners]
    const ids = new Set(listeners.flatMap(({ id }) => id ?? []))
    const owners = new Set(listeners.flatMap(({ id, owner }) => (id === undefined ? owner : [])))
    const sinceMs = this.#heardMs - commitMarginMs
    const histories = await this.#persistently(async () => [
      ...(ids.size > 0 ? await this.#store.histories([...ids]) : []),
      ...(owners.size > 0 ? await this.#store.changedSince([...owners], sinceMs) : []),
    ])
    for (const history of histories ?? []) void this.#turns.run(history.job.id, async () => this.#deliverAll(history))
  }

  /** Retries until it succeeds. undefined: nobody listens any more. */
  async #persistently<T>(read: () => Promise<T>): Promise<T | undefined> {
    const isFollowed = (): boolean => this.#listeners.size > 0
    const readIfFollowed = async (): Promise<T | undefined> => (isFollowed() ? await read() : undefined)
    return retrying(readIfFollowed, { ...retryPace, mayRetry: () => true })
  }

  #deliverAll({ job, states }: JobHistory): void {
    for (const state of states) {
      if (state.revision > this.#revision(job.id)) this.#deliver({ ...job, ...state })
    }
    if (job.revision > this.#revision(job.id)) this.#deliver(job)
  }

  #deliver(job: Job): void {
    if (this.#listeners.size === 0) return
    const before = this.#jobs.get(job.id)
    this.#jobs.set(job.id, job)
    if (hasEnded(job.state)) {
      this.#open.delete(job.id)
      this.#ended.set(job.id, job.revision)
    } else {
      this.#open.set(job.id, job.revision)
    }
    this.#heardMs = Math.max(this.#heardMs, job.changedAtMs)
    // Followers do not hear of a job that was only put off once more.
    if (before?.state === 'QUEUED' && job.state === 'QUEUED' && before.attempt === job.attempt) return
    for (const listener of [...this.#listeners]) {
      if (concerns(listener, job)) listener.take(job)
    }
  }

  /** The last delivered revision; -1: none. */
  #revision(id: string): number {
    return this.#open.get(id) ?? this.#ended.get(id) ?? -1
  }
}

const concerns = ({ id, owner }: Listener, change: JobChange): boolean =>
  owner === change.owner && (id === undefined || id === change.id)
