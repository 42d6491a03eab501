import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../platform/logger.ts'
import { startApi } from './api.ts'
import type { Config } from './config.ts'
import { startDatabase } from './database.ts'
import { startIngest } from './ingest.ts'
import { startMetrics } from './metrics.ts'
import { rehearseChart } from './rehearsal.ts'
import type { Role } from './role.ts'
import { startShared } from './shared-services.ts'
import { StopStack } from './stop-stack.ts'
import { startWorker } from './worker.ts'

export interface AppOptions {
  readonly config: Config
  readonly role: Role
  readonly log: Logger
  /** Called when the app can't go on. The caller has to stop it. */
  readonly onFatal: (message: string, cause?: unknown) => void
  /** Epoch milliseconds, for everything that needs the time; without it, the database's time. */
  readonly now?: () => number
}

export interface Addresses {
  /** Origin of the GraphQL API; null in a role that does not serve it. */
  readonly api: string | null
  readonly metrics: string | null
}

/**
 * The composition root: builds the services of a role in order and stops them in reverse order. Its states: stopped ->
 * start() -> running -> stop() -> stopped.
 */
export class App {
  readonly #options: AppOptions
  readonly #stops = new StopStack()
  #started: Promise<Addresses> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: AppOptions) {
    this.#options = options
  }

  /** Rejects if a part can't start. stop() then stops the parts that had started. */
  start(): Promise<Addresses> {
    this.#started ??= this.#startAll()
    return this.#started
  }

  async #startAll(): Promise<Addresses> {
    const { config, role, log, onFatal, now } = this.#options
    const stops = this.#stops
    const database = startDatabase({ config, log, stops, onFatal })
    const rehearsal = role === 'all' || role === 'api' ? rehearse(config, log) : undefined
    const connectionString = await database
    if (role === 'migrate') return { api: null, metrics: null }

    const shared = await startShared({ config, role, log, stops, connectionString, now })
    if (role === 'all' || role === 'ingest') startIngest(shared)
    if (role === 'all' || role === 'worker') await startWorker(shared)
    await rehearsal
    const api = role === 'all' || role === 'api' ? await startApi(shared) : null
    const metrics = await startMetrics(shared)
    stops.push(() => shared.health.stopping())
    void shared.source.warm?.()
    return { api, metrics }
  }

  /**
   * Can be called at any time and more than once. Rejects with an AggregateError of everything that did not stop
   * cleanly.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    // Wait for a start in progress: the parts that it still starts would not be stopped.
    await this.#started?.catch(() => {})
    await this.#stops.stopAll()
  }
}

/** Never rejects, and takes two seconds at most: what fails here costs only the time of the first request. */
async function rehearse(config: Config, log: Logger): Promise<void> {
  const rehearsed = rehearseChart(config).catch((error: unknown) => log.debug({ err: error }, 'the rehearsal failed'))
  await Promise.race([rehearsed, sleep(2000, undefined, { ref: false })])
}
