import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { App } from '../../src/app/app.ts'
import { parseConfig } from '../../src/app/config.ts'
import { createLogger } from '../../src/platform/logger.ts'
import type { Order, Told } from './asking.ts'
import type { Begun } from './watching.ts'

export interface Asked {
  readonly query: string
  readonly variables?: Readonly<Record<string, unknown>>
}

/** What one operation took, and what it was said to take. */
export interface Measured {
  /** CPU of the server's thread for one request. */
  readonly micros: number
  readonly runs: number
  /** Estimated; null: it was refused before it had a price. */
  readonly points: number | null
  readonly bytes: number
  /** The first errors of the answer. */
  readonly errors: readonly string[]
}

export interface MeasuredBegin {
  readonly micros: number
  /** What they were told to cost, together. null: none has begun. */
  readonly points: number | null
  readonly errors: readonly string[]
}

/** How long the server takes to forget a client that has gone. */
const settleMs = 20

const settled = (): Promise<void> => sleep(settleMs)

export interface Pace {
  /** Requests before those that are measured: after ten, an operation is compiled. */
  readonly warmUps: number
  /** CPU that is spent on one operation before it is measured, and while it is, at most; one request is always made. */
  readonly warmUpMs: number
  readonly measuredMs: number
}

export const usualPace: Pace = { warmUps: 12, warmUpMs: 600, measuredMs: 10 }

/** CPU of this thread so far. */
export const threadMicros = (): number => {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

/**
 * Finstage in this process, on the simulated market with an embedded Postgres. Its client is a thread of its own, so that
 * the CPU of this thread is the server's alone.
 */
export class MeasuredApp {
  readonly #app: App
  readonly #client: Worker

  private constructor(app: App, client: Worker) {
    this.#app = app
    this.#client = client
  }

  /** `directory`: of the data of Postgres. */
  static async start(directory: string, settings: Readonly<Record<string, string>> = {}): Promise<MeasuredApp> {
    const environment = { PORT: '0', METRICS_PORT: '0', DRAIN_SECONDS: '0', MARKET_SOURCE: 'simulated', ...settings }
    const app = new App({
      config: parseConfig({ ...environment, DATA_DIR: directory }),
      role: 'all',
      log: createLogger('error'),
      onFatal: (message, cause) => {
        throw new Error(message, { cause })
      },
    })
    const { api } = await app.start()
    const client = new Worker(new URL('./asking.ts', import.meta.url), { workerData: `${api}/graphql` })
    return new MeasuredApp(app, client)
  }

  async stop(): Promise<void> {
    await this.#client.terminate()
    await this.#app.stop()
  }

  /** Sends these requests, one after the other, so many times. Resolves to the last answer. */
  ask(bodies: readonly string[], times = 1, contentType = 'application/json'): Promise<Told> {
    return this.#told({ order: 'post', bodies, times, contentType })
  }

  /** CPU of beginning these subscriptions one after the other, each until it has so many events. Then they are ended. */
  async measureBegin(subscriptions: readonly Asked[], events: number): Promise<MeasuredBegin> {
    await this.#told({ order: 'connect' })
    const before = threadMicros()
    const { points, errors } = await this.#told<Begun>({ order: 'begin', subscriptions, events })
    const micros = threadMicros() - before
    await this.#told({ order: 'close' })
    await settled()
    return { micros, points, errors }
  }

  /** CPU of the server's thread while these subscriptions are open, for so long, and how many events come meanwhile. */
  async measureEvents(
    subscriptions: readonly Asked[],
    first: number,
    ms: number,
  ): Promise<{ readonly micros: number; readonly events: number }> {
    await this.#told({ order: 'connect' })
    await this.#told<Begun>({ order: 'begin', subscriptions, events: first })
    const before = threadMicros()
    const events = await this.#told<number>({ order: 'watch', ms })
    const micros = threadMicros() - before
    await this.#told({ order: 'close' })
    await settled()
    return { micros, events }
  }

  async #told<T>(order: Order): Promise<T> {
    this.#client.postMessage(order)
    const [told] = (await once(this.#client, 'message')) as [T]
    return told
  }

  /** `operationAt`: the operation of the i-th request. */
  measure(operationAt: (i: number) => Asked, pace: Pace = usualPace): Promise<Measured> {
    return this.measureBodies((i) => JSON.stringify(operationAt(i)), pace)
  }

  /** `bodyAt`: the body of the i-th request. */
  async measureBodies(bodyAt: (i: number) => string, pace: Pace, contentType = 'application/json'): Promise<Measured> {
    let asked = 0
    const next = (count: number): string[] => Array.from({ length: count }, () => bodyAt(asked++))
    let told: Told
    let spentMs = 0
    do {
      const before = threadMicros()
      told = await this.ask(next(1), 1, contentType)
      spentMs += (threadMicros() - before) / 1000
    } while (asked < pace.warmUps && spentMs < pace.warmUpMs)
    let [micros, runs] = [0, 0]
    let count = 1
    while (micros < pace.measuredMs * 1000) {
      const bodies = next(count)
      const before = threadMicros()
      told = await this.ask(bodies, 1, contentType)
      micros += threadMicros() - before
      runs += count
      count = Math.max(1, Math.min(500, Math.ceil((pace.measuredMs * 1000 - micros) / (micros / runs))))
    }
    return { micros: micros / runs, runs, points: told.points, bytes: told.bytes, errors: told.errors }
  }
}
