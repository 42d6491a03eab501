import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { OwnConnection } from '../platform/database/own-connection.ts'
import type { Logger } from '../platform/logger.ts'
import { RetryPauses } from '../platform/retry.ts'
import { type StoredTerm, TermStore } from '../store/term-store.ts'
import { ClockWatch } from './clock-watch.ts'
import { Term, trustedMs } from './term.ts'

/** How soon a lost connection is opened again: well within the time for which a term is trusted. */
const reconnectPace = { firstMs: 250, longestMs: 500 }
/** How often the leader confirms its term, and how often the others check that. */
const confirmMs = 1000
const lookMs = 500
/**
 * A leader that has not confirmed its term between this many looks in a row is lost. Together the looks take longer
 * than the holder of a term trusts it. Counted in looks rather than seconds: while the database is away, or this
 * process stands still, it does not look.
 */
const looksUntilLost = (trustedMs + 1000) / lookMs + 1

export interface LeaderOptions {
  readonly connectionString: string
  /** The name of the leadership. */
  readonly name: string
  readonly log: Logger
  /** Called when this process becomes the leader. */
  readonly lead: (term: Term) => void
  /** Called when the database has just confirmed the term. */
  readonly confirmed: () => void
  /** Called when this process leads no longer. */
  readonly yield: () => Promise<void>
  /** Epoch milliseconds: the time that prices go by. */
  readonly now?: () => number
  /** No other process can lead. A held term then belonged to this process before it was killed, and is over. */
  readonly isAlone?: boolean
}

/**
 * Elects one leader among processes. The leader holds a term, a row in the database, and confirms it every second. If
 * it has not for six seconds, another process begins the next term. After a confirmation the leader trusts its term for
 * five seconds, so a leader that hangs or is cut off has stopped leading before another one begins. Neither the
 * machines' clocks nor database sessions count: a restart of Postgres changes nothing.
 *
 * States: stopped -> start() -> standing by <-> leading -> stop() -> stopped.
 */
export class Leader {
  readonly #options: LeaderOptions
  readonly #clock: ClockWatch
  readonly #pauses = new RetryPauses(reconnectPace)
  #term: Term | undefined
  #seen: { readonly term: StoredTerm; readonly looks: number } | undefined
  #reachedMs = Number.NEGATIVE_INFINITY
  #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#clock = new ClockWatch(options.now)
  }

  get leading(): boolean {
    return this.#term?.holds === true
  }

  /** Rejects if this process neither leads nor stands by. */
  async check(): Promise<void> {
    if (performance.now() - this.#reachedMs > trustedMs) throw new Error('not connected')
  }

  start(): void {
    if (this.#running) return
    this.#stopping = new AbortController()
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#running = undefined
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#stand(signal)
      } catch (error) {
        if (!signal.aborted) this.#options.log.warn({ err: error }, 'lost the connection that holds or awaits the lead')
        await this.#pauses.pause(signal)
      }
    }
    await this.#stepDown()
    this.#reachedMs = Number.NEGATIVE_INFINITY
  }

  /** Leads or stands by over one connection. Rejects if the connection is lost; a term outlasts it. */
  async #stand(signal: AbortSignal): Promise<void> {
    const connection = new OwnConnection(this.#options.connectionString, 'finstage leader')
    await connection.open(signal)
    try {
      const store = new TermStore(connection.client, this.#options.name)
      this.#seen = undefined
      while (!signal.aborted) {
        const askedMs = performance.now()
        if (this.#term) await this.#confirm(store, this.#term, askedMs)
        else await this.#look(store, askedMs)
        this.#reachedMs = performance.now()
        this.#pauses.reset()
        const pauseMs = this.#term ? askedMs + confirmMs - this.#reachedMs : lookMs
        await sleep(Math.max(0, pauseMs), undefined, { signal }).catch(() => {})
      }
      await this.#release(store)
    } finally {
      await connection.close()
    }
  }

  async #look(store: TermStore, askedMs: number): Promise<void> {
    const newest = await store.newest()
    const isOthers = newest?.isHeld && !this.#options.isAlone
    if (isOthers && !this.#isLost(newest)) return
    const term = await store.take(`${hostname()} ${process.pid}`, newest)
    this.#seen = undefined
    if (term === null) return
    if (isOthers) this.#options.log.warn({ term: newest.term }, 'the leader gives no more signs of life')
    // Clock changes before the term do not concern it.
    this.#clock.wasPutBack()
    this.#term = new Term(term.padStart(15, '0'), askedMs)
    try {
      this.#options.lead(this.#term)
    } catch (error) {
      await this.#release(store)
      throw error
    }
  }

  #isLost(term: StoredTerm): boolean {
    const isSame = this.#seen?.term.term === term.term && this.#seen.term.beat === term.beat
    this.#seen = { term, looks: isSame && this.#seen ? this.#seen.looks + 1 : 1 }
    return this.#seen.looks >= looksUntilLost
  }

  async #confirm(store: TermStore, term: Term, askedMs: number): Promise<void> {
    const { log, confirmed } = this.#options
    if (!(await store.confirm(term.run))) {
      log.warn({ run: term.run }, 'another process leads: this one stood still, or was cut off')
      await this.#stepDown()
    } else if (this.#clock.wasPutBack()) {
      log.warn({ run: term.run }, 'the clock was put back: what is seen from now on seems older, so a new term begins')
      await this.#release(store)
    } else {
      term.confirm(askedMs)
      confirmed()
    }
  }

  /** Stops leading and lets another process begin at once. */
  async #release(store: TermStore): Promise<void> {
    const term = this.#term
    if (!term) return
    await this.#stepDown()
    await store.release(term.run)
  }

  async #stepDown(): Promise<void> {
    if (!this.#term) return
    this.#term = undefined
    await this.#options.yield()
  }
}
