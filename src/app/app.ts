import type { Logger } from '../platform/logger.ts'
import { startApi } from './api.ts'
import type { Config } from './config.ts'
import { startDatabase } from './database.ts'
import { startIngest } from './ingest.ts'
import { startMetrics } from './metrics.ts'
import type { Role } from './role.ts'
import { startShared } from './shared-services.ts'
import { StopStack } from './stop-stack.ts'
import { startWorker } from './worker.ts'

export interface AppOptions {
  readonly config: Config
  readonly role: Role
  readonly log: Logger
  /** Called when the app can't go on: it is to be stopped. */
  readonly onFatal: (message: string, cause?: unknown) => void
  /** Epoch milliseconds, for all that has to do with time; without it, the database's. */
  readonly now?: () => number
}

export interface Addresses {
  /** Where GraphQL is served; null in a role that does not. */
  readonly api: string | null
  readonly metrics: string | null
}

/** Starts the services of a role in order and stops them in the opposite one. Its states: stopped -> start() -> running -> stop(). */
export class App {
  readonly #options: AppOptions
  readonly #stops = new StopStack()
  #started: Promise<Addresses> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: AppOptions) {
    this.#options = options
  }

  /** Throws where a part can't start; what had started is stopped again by stop(). */
  start(): Promise<Addresses> {
    this.#started ??= this.#startAll()
    return this.#started
  }

  async #startAll(): Promise<Addresses> {
    const { config, role, log, onFatal, now } = this.#options
    const stops = this.#stops
    const connectionString = await startDatabase({ config, log, stops, onFatal })
    if (role === 'migrate') return { api: null, metrics: null }

    const shared = await startShared({ config, role, log, stops, connectionString, now })
    if (role === 'all' || role === 'ingest') startIngest(shared)
    if (role === 'all' || role === 'worker') await startWorker(shared)
    const api = role === 'all' || role === 'api' ? await startApi(shared) : null
    const metrics = await startMetrics(shared)
    stops.push(() => shared.health.stopping())
    void shared.source.warm?.()
    return { api, metrics }
  }

  /** May be called at any time, and again. Rejects with an AggregateError of what did not stop cleanly. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    // A start that is under way still adds to the stack.
    await this.#started?.catch(() => {})
    await this.#stops.stopAll()
  }
}
