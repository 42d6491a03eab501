import { Gauge, type Registry } from 'prom-client'
import type { Logger } from './logger.ts'

/** The time, for all that is stored or told; and a clock that nobody sets, for how long something takes. */
export interface Clock {
  /** Epoch milliseconds, whole ones. */
  now(): number
  /** Milliseconds that only go forward, from whenever on. */
  steadyMs(): number
}

export interface TrustedClockOptions {
  /** The time that all processes go by, in epoch milliseconds. */
  readonly ask: () => Promise<number>
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly registry: Registry
  /** The clock of this machine, epoch milliseconds: it is compared, and not believed. */
  readonly machineMs?: () => number
  readonly steadyMs?: () => number
}

const measureEveryMs = 60_000
/** How soon it is noticed that the machine's clock was set, or that the machine has slept. */
const lookEveryMs = 1000
/** An answer that took longer says too little. */
const longestAnswerMs = 2000
/** Clocks that are kept right differ by less. */
const toleratedMs = 2000
/** An answer of a source names whole seconds, and may be on its way for a few. */
const toleratedSourceMs = 5000
/** A clock that is now right and now wrong is not told of each time. */
const tellEveryMs = 60_000

/** Between which values the offset of the steady clock lies. */
interface Bounds {
  readonly leastMs: number
  readonly mostMs: number
}

/**
 * The database's time: all processes on one database have the same, whatever the clocks of their machines say. It is looked at
 * every minute; in between, time goes on by the steady clock. States: new -> start() -> running -> stop(), after which it still
 * tells the time.
 */
export class TrustedClock implements Clock {
  readonly #options: TrustedClockOptions
  readonly #machineMs: () => number
  readonly #steadyMs: () => number
  /** What is added to the steady clock. */
  #offsetMs = 0
  #measuredAtMs = Number.NEGATIVE_INFINITY
  /** How far the machine's clock was ahead of the steady one at the last look. */
  #machineLeadMs = 0
  #sourceAheadMs = 0
  readonly #told = new Map<string, { readonly aheadMs: number; readonly atMs: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: TrustedClockOptions) {
    this.#options = options
    this.#machineMs = options.machineMs ?? Date.now
    this.#steadyMs = options.steadyMs ?? (() => performance.now())
    const ahead = { machine: () => this.#machineMs() - this.now(), source: () => this.#sourceAheadMs }
    new Gauge({
      name: 'finstage_clock_skew_seconds',
      help: "How far the clock of this machine, and that of the source, is ahead of the database's",
      labelNames: ['clock'],
      registers: [options.registry],
      collect() {
        for (const [clock, aheadMs] of Object.entries(ahead)) this.set({ clock }, aheadMs() / 1000)
      },
    })
  }

  now(): number {
    return Math.floor(this.#steadyMs() + this.#offsetMs)
  }

  steadyMs(): number {
    return this.#steadyMs()
  }

  /** Rejects where the time can't be had. */
  async start(): Promise<void> {
    let best = await this.#measure()
    for (let again = 0; again < 2; again++) {
      const next = await this.#measure()
      if (next.mostMs - next.leastMs < best.mostMs - best.leastMs) best = next
    }
    this.#offsetMs = middle(best)
    this.#compareMachine()
    this.#timer = setInterval(() => void this.#look(), lookEveryMs).unref()
  }

  /** May be called twice. */
  stop(): void {
    clearInterval(this.#timer)
  }

  /** A source has named its time, in epoch milliseconds. */
  heardSource(sourceMs: number): void {
    this.#sourceAheadMs = sourceMs - this.now()
    this.#tell('source', this.#sourceAheadMs, toleratedSourceMs)
  }

  async #look(): Promise<void> {
    const leadMs = this.#machineMs() - this.#steadyMs()
    const wasSet = Math.abs(leadMs - this.#machineLeadMs) > toleratedMs
    if (!wasSet && this.#steadyMs() - this.#measuredAtMs < measureEveryMs) return
    // Before it is asked, so that one look follows another, and a database that is away is left alone.
    this.#measuredAtMs = this.#steadyMs()
    this.#machineLeadMs = leadMs
    try {
      const bounds = await this.#measure()
      if (bounds.mostMs - bounds.leastMs > longestAnswerMs) return
      this.#keepWithin(bounds)
      this.#compareMachine()
    } catch {
      // What is wrong with the database, its own health check tells.
    }
  }

  async #measure(): Promise<Bounds> {
    const askedMs = this.#steadyMs()
    const ms = await this.#options.ask()
    return { leastMs: ms - this.#steadyMs(), mostMs: ms - askedMs }
  }

  /** An offset that may be right stays as it is, so that time does not jump to and fro. */
  #keepWithin(bounds: Bounds): void {
    if (this.#offsetMs >= bounds.leastMs && this.#offsetMs <= bounds.mostMs) return
    const stepMs = middle(bounds) - this.#offsetMs
    this.#offsetMs += stepMs
    if (Math.abs(stepMs) <= toleratedMs) return
    this.#options.log.warn(
      { seconds: Math.round(stepMs / 1000) },
      'the clock of the database was set, or this machine has slept',
    )
  }

  #compareMachine(): void {
    const machineMs = this.#machineMs()
    this.#measuredAtMs = this.#steadyMs()
    this.#machineLeadMs = machineMs - this.#steadyMs()
    this.#tell('machine', machineMs - this.now(), toleratedMs)
  }

  /** Once for each change. */
  #tell(clock: 'machine' | 'source', aheadMs: number, toleratedMs: number): void {
    const { log } = this.#options
    const last = this.#told.get(clock)
    if (Math.abs(aheadMs - (last?.aheadMs ?? 0)) <= toleratedMs) return
    const atMs = this.#steadyMs()
    if (last && atMs - last.atMs < tellEveryMs) return
    const isWrong = Math.abs(aheadMs) > toleratedMs
    this.#told.set(clock, { aheadMs: isWrong ? aheadMs : 0, atMs })
    const told = { clock, aheadSeconds: Math.round(aheadMs / 1000) }
    if (isWrong) log.warn(told, "a clock differs from the database's: nothing is stored by it")
    else log.info(told, "a clock agrees with the database's again")
  }
}

const middle = ({ leastMs, mostMs }: Bounds): number => (leastMs + mostMs) / 2
