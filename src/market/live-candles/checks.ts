import type { Interval } from '../../domain/time/interval.ts'
import { minuteMs } from '../../domain/time/units.ts'
import { openLifetimeMs, settleSeconds } from '../source.ts'

/** How long a source may take to put the last trades into a candle. */
const marginMs = 2000
/**
 * A candle that the source has confirmed is compared again after a minute, and once the source has had its last word.
 */
const againMs = [minuteMs, settleSeconds * 1000 - minuteMs]
/**
 * How often a candle is asked for that the source does not have yet, in pauses that double: for minutes, over half an
 * hour.
 */
const maxMisses = 8

interface Check {
  dueMs: number
  confirmations: number
  misses: number
}

/**
 * Which closed candles still have to be compared with the source's, and when. Candles are named by their start, in
 * epoch seconds.
 */
export class CandleChecks {
  readonly #checks = new Map<number, Check>()
  /** An answer to a question asked this long after the end cannot date from before the end. */
  readonly #firstPauseMs: number

  constructor(interval: Interval) {
    this.#firstPauseMs = openLifetimeMs(interval) + marginMs
  }

  /** A candle has closed: compare it once the source has had the time. */
  closed(epoch: number, nowMs: number): void {
    this.#add(epoch, nowMs + this.#firstPauseMs)
  }

  /** Updates since that candle are missing: look them up at once. */
  missedSince(epoch: number, nowMs: number): void {
    this.#add(epoch, nowMs)
  }

  has(epoch: number): boolean {
    return this.#checks.has(epoch)
  }

  /** When to ask the source next, in epoch milliseconds; infinite: there is nothing to ask. */
  get dueMs(): number {
    return Math.min(...[...this.#checks.values()].map(({ dueMs }) => dueMs))
  }

  /** The first candle to ask for; infinite: none. */
  get oldest(): number {
    return Math.min(...this.#checks.keys())
  }

  /** The source has said how the candle ended. Before the check is due, that says nothing about later corrections. */
  confirm(epoch: number, nowMs: number): void {
    const check = this.#checks.get(epoch)
    if (!check || check.dueMs > nowMs) return
    const pauseMs = againMs[check.confirmations]
    if (pauseMs === undefined) {
      this.#checks.delete(epoch)
      return
    }
    check.confirmations += 1
    check.dueMs = nowMs + pauseMs
  }

  /** The source was asked and did not have the candles that are due. */
  miss(nowMs: number): void {
    for (const [epoch, check] of this.#checks) {
      if (check.dueMs > nowMs) continue
      check.misses += 1
      if (check.misses === maxMisses) this.#checks.delete(epoch)
      else check.dueMs = nowMs + this.#firstPauseMs * 2 ** check.misses
    }
  }

  #add(epoch: number, dueMs: number): void {
    const known = this.#checks.get(epoch)
    if (known) known.dueMs = Math.min(known.dueMs, dueMs)
    else this.#checks.set(epoch, { dueMs, confirmations: 0, misses: 0 })
  }
}
