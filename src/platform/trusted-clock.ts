import { Gauge, type Registry } from 'prom-client'
import { minuteMs } from '../domain/time/units.ts'
import type { Logger } from './logger.ts'

/** The time for everything stored or sent, and a monotonic clock for durations. */
export interface Clock {
  /** Whole epoch milliseconds. */
  now(): number
  /** Milliseconds of a monotonic clock with an arbitrary start. */
  steadyMs(): number
}

export interface TrustedClockOptions {
  /** Returns the time that all processes go by, in epoch milliseconds. */
  readonly ask: () => Promise<number>
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly registry: Registry
  /** The clock of this machine, in epoch milliseconds: only compared, not trusted. */
  readonly machineMs?: () => number
  readonly steadyMs?: () => number
}

const measureEveryMs = minuteMs
/** How often to check whether the machine's clock was set, or the machine has slept. */
const lookEveryMs = 1000
/** An answer that takes longer is too inexact. */
const longestAnswerMs = 2000
/** Synchronised clocks differ by less. */
const toleratedMs = 2000
/** An answer of a source states whole seconds, and may travel for a few. */
const toleratedSourceMs = 5000
/** A clock that is right only sometimes is not reported each time. */
const tellEveryMs = minuteMs

/** The bounds of the steady clock's offset. */
interface Bounds {
  readonly leastMs: number
  readonly mostMs: number
}

/**
 * The database's time: all processes on one database share it, whatever the clocks of their machines say. The database
 * is asked every minute; in between, time goes on by the monotonic clock.
 *
 * States: new -> start() -> running -> stop(); it still tells the time afterwards.
 */
export class TrustedClock implements Clock {
  readonly #options: TrustedClockOptions
  readonly #machineMs: () => number
  readonly #steadyMs: () => number
  /** Added to the monotonic clock. */
  #offsetMs = 0
  #measuredAtMs = Number.NEGATIVE_INFINITY
  /** How far the machine's clock was ahead of the monotonic one at the last check. */
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

  /** Rejects if the time is not available. */
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

  /** A source has stated its time, in epoch milliseconds. */
  heardSource(sourceMs: number): void {
    this.#sourceAheadMs = sourceMs - this.now()
    this.#tell('source', this.#sourceAheadMs, toleratedSourceMs)
  }

  async #look(): Promise<void> {
    const leadMs = this.#machineMs() - this.#steadyMs()
    const wasSet = Math.abs(leadMs - this.#machineLeadMs) > toleratedMs
    if (!wasSet && this.#steadyMs() - this.#measuredAtMs < measureEveryMs) return
    // Set before asking, so that checks do not pile up, and a database that is away is left alone.
    this.#measuredAtMs = this.#steadyMs()
    this.#machineLeadMs = leadMs
    try {
      const bounds = await this.#measure()
      if (bounds.mostMs - bounds.leastMs > longestAnswerMs) return
      this.#keepWithin(bounds)
      this.#compareMachine()
    } catch {
      // The database's own health check reports what is wrong with it.
    }
  }

  async #measure(): Promise<Bounds> {
    const askedMs = this.#steadyMs()
    const ms = await this.#options.ask()
    return { leastMs: ms - this.#steadyMs(), mostMs: ms - askedMs }
  }

  /** Keeps an offset that may still be right, so that time does not jump back and forth. */
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

  /** Logs each change once. */
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
