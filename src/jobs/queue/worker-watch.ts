import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../platform/logger.ts'
import type { WorkerBeat, WorkerStore } from '../../store/jobs/worker-store.ts'
import type { Bus } from '../../stream/bus.ts'
import type { JobMetrics } from './metrics.ts'

const intervalMs = 1000
/**
 * A worker whose beat stands still for this many looks is lost. Looks, not seconds: nobody looks while the database is
 * away.
 */
const looksUntilLost = 5
/** How many looks lie between two scans of the whole queue: for orphans, and for aging and unknown workers. */
const looksPerOrphanSearch = 3
const looksPerRound = 10

/** What the watch has to know about a pool of its own process. */
export interface WatchedPool {
  readonly id: string
  readonly carriers: readonly string[]
}

export interface WorkerWatchOptions {
  readonly store: WorkerStore
  readonly bus: Bus
  readonly log: Logger
  readonly metrics: JobMetrics
  readonly pools: () => readonly WatchedPool[]
  /** Called at every look. */
  readonly onLook: () => Promise<void>
  /** Called when a pool has orphans that can only be unlocked together with all the jobs that it holds. */
  readonly onStuck: (pool: string) => void
  readonly taskNames: readonly string[]
  readonly agingSeconds: number
}

/**
 * Unlocks jobs that nobody works on. Each pool counts its beat up once a second, and each process watches the beats of
 * all. It unlocks the jobs of a lost pool, and orphans: jobs that a pool of its own holds without running them. It also
 * lets waiting jobs rise in priority.
 *
 * Its states: stopped -> start() -> watching -> stop() -> stopped.
 */
export class WorkerWatch {
  readonly #options: WorkerWatchOptions
  readonly #stopping = new AbortController()
  /** For how many looks the beat of each worker has stood still. */
  #still = new Map<string, { readonly beat: string; readonly looks: number }>()
  /** The orphans of our own pools at the last search. */
  #orphans = new Set<string>()
  #looks = 0
  #beating: Promise<void> = Promise.resolve()
  #watching: Promise<void> | undefined
  #lookedAtMs = performance.now()

  constructor(options: WorkerWatchOptions) {
    this.#options = options
  }

  /** How long ago the last successful look was. */
  get blindForMs(): number {
    return performance.now() - this.#lookedAtMs
  }

  start(): void {
    this.#watching ??= this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  /**
   * Resolves when the beats that are being counted have been. They would bring back a worker that is removed before, and
   * which would then be found lost.
   */
  async beaten(): Promise<void> {
    await this.#beating.catch(() => {})
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#look()
        this.#lookedAtMs = performance.now()
      } catch (error) {
        this.#options.log.warn({ err: error }, 'the workers could not be looked after')
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => {})
    }
  }

  async #look(): Promise<void> {
    const { store, pools, onLook, taskNames, agingSeconds } = this.#options
    const own = pools()
    this.#beating = store.beat(own.map(({ id }) => id))
    await this.#beating
    for (const id of this.#lost(await store.beats())) await this.#release(id)
    await onLook()
    if (this.#looks % looksPerOrphanSearch === 0) await this.#releaseOrphans(own)
    if (this.#looks % looksPerRound === 0) {
      await store.registerHolders()
      await store.rise(taskNames, agingSeconds)
    }
    this.#looks++
  }

  /** Unlocks jobs that were orphans at the last search too: while the database pauses, many jobs look like orphans. */
  async #releaseOrphans(own: readonly WatchedPool[]): Promise<void> {
    const { store, log, onStuck } = this.#options
    const before = this.#orphans
    this.#orphans = new Set()
    for (const { id, carriers } of own) {
      const found = await store.orphans(id, carriers)
      const orphans = found.filter((carrier) => before.has(carrier))
      for (const carrier of found) this.#orphans.add(carrier)
      if (orphans.length === 0) continue
      log.warn({ worker: id, jobs: orphans.length }, 'jobs are held without being run, and are let go of')
      if (!(await store.releaseOrphans(id, orphans))) onStuck(id)
    }
  }

  #lost(beats: readonly WorkerBeat[]): string[] {
    const before = this.#still
    this.#still = new Map(
      beats.map(({ worker, beat }) => {
        const known = before.get(worker)
        return [worker, { beat, looks: known?.beat === beat ? known.looks + 1 : 0 }]
      }),
    )
    return [...this.#still].filter(([, { looks }]) => looks >= looksUntilLost).map(([worker]) => worker)
  }

  async #release(worker: string): Promise<void> {
    const { store, log, metrics, bus } = this.#options
    log.warn({ worker }, 'a worker gives no more signs of life: its jobs are run by others')
    await store.release(worker)
    this.#still.delete(worker)
    metrics.workerLost()
    // It may have died before it published its last changes.
    bus.publish('jobsMissed', {})
  }
}
