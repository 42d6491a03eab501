import type { Interval } from '../../domain/interval.ts'
import { minuteMs } from '../../domain/time.ts'
import { openLifetimeMs, settleSeconds } from '../source.ts'

/** A source may take so long to put the last trades into a candle. */
const marginMs = 2000
/** A candle that the source has told of is compared again after a minute, and when the source has had its last word. */
const againMs = [minuteMs, settleSeconds * 1000 - minuteMs]
/** So often a candle is asked for that the source does not have yet, in pauses that double: half an hour for minutes. */
const maxMisses = 8

interface Check {
  dueMs: number
  confirmations: number
  misses: number
}

/** Which closed candles are still to be compared with what the source has of them, and when. By start, in epoch seconds. */
export class CandleChecks {
  readonly #checks = new Map<number, Check>()
  /** The answer to a question that is asked so long after the end was not known before the end. */
  readonly #firstPauseMs: number

  constructor(interval: Interval) {
    this.#firstPauseMs = openLifetimeMs(interval) + marginMs
  }

  /** A candle has closed: compared when the source has had the time. */
  closed(epoch: number, nowMs: number): void {
    this.#add(epoch, nowMs + this.#firstPauseMs)
  }

  /** Something was missed since that candle: looked up at once. */
  missedSince(epoch: number, nowMs: number): void {
    this.#add(epoch, nowMs)
  }

  has(epoch: number): boolean {
    return this.#checks.has(epoch)
  }

  /** When it is time to ask the source, in epoch milliseconds; infinite: there is nothing to be asked. */
  get dueMs(): number {
    return Math.min(...[...this.#checks.values()].map(({ dueMs }) => dueMs))
  }

  /** The first candle to ask for; infinite: there is none. */
  get oldest(): number {
    return Math.min(...this.#checks.keys())
  }

  /** The source has told how the candle ended. Before it is due that says nothing of what comes later. */
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

  /** The source was asked, and did not tell of the candles that are due still. */
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
