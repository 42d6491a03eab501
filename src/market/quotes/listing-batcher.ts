import { performance } from 'node:perf_hooks'
import type { Listing } from '../../domain/quote.ts'
import type { CallBudget } from '../call-budget.ts'
import { type MarketSource, symbolsPerCall } from '../source.ts'

/** So long without a new symbol, and the batch is taken for complete. */
const quietMs = 5
/** The longest that a symbol waits for others; and how soon after one batch another one shows that it was not complete. */
const patienceMs = 25
/** The same where the process has its hands full. */
const busyPatienceMs = 1000
/** Timers and the loop's own clock differ by less. */
const toleranceMs = 0.5

type Answer = Listing | undefined

interface Batch {
  readonly waiting: Map<string, PromiseWithResolvers<Answer>>
  /** Of the event loop's idle time: when the batch was opened, and when its last symbol came. */
  readonly openedMs: number
  readonly quietMs: number
  lastMs: number
  timer: NodeJS.Timeout
  /** The operations that have paid for this call. */
  readonly payers: Set<CallBudget>
  /** Some of it is for nobody who pays. */
  isForAll: boolean
  readonly limit: NodeJS.Timeout
}

export interface ListingBatcherOptions {
  readonly source: Pick<MarketSource, 'listings'>
  /** For how long the event loop has had nothing to do so far, in milliseconds. */
  readonly idleMs?: () => number
}

/**
 * Asks a source together for what is asked for at about the same time. A batch gathers until no new symbol has come for 5 ms,
 * 25 ms have passed, or 100 symbols are together; then it is sent, and the next symbol opens another one. One that follows at
 * once gathers for all of the 25 ms: it is the rest of a burst. Batches have nothing to do with each other: one that fails or
 * hangs keeps none of the others.
 *
 * Time counts while the event loop is idle. While it is not, requests that have come in are still being read, and an answer
 * would have to wait behind them: of a burst that takes the process half a second to read, all go upstream together. A
 * process that never is idle waits for a second.
 */
export class ListingBatcher {
  readonly #source: Pick<MarketSource, 'listings'>
  readonly #idleMs: () => number
  #gathering: Batch | undefined
  /** Of the event loop's idle time. */
  #sentMs = Number.NEGATIVE_INFINITY

  constructor({ source, idleMs = () => performance.eventLoopUtilization().idle }: ListingBatcherOptions) {
    this.#source = source
    this.#idleMs = idleMs
  }

  /**
   * undefined: the source does not know the symbol. Rejects with what the call fails with. An operation pays for each call that
   * a symbol of its own goes with; throws LIMIT_EXCEEDED where it can't.
   */
  load(symbol: string, budget?: CallBudget): Promise<Answer> {
    const known = this.#gathering?.waiting.get(symbol)
    if (known) return known.promise
    if (budget && !this.#gathering?.payers.has(budget)) budget.take()
    const batch = this.#gathering ?? this.#open()
    if (budget) batch.payers.add(budget)
    else batch.isForAll = true
    const waiter = Promise.withResolvers<Answer>()
    batch.waiting.set(symbol, waiter)
    batch.lastMs = this.#idleMs()
    if (batch.waiting.size >= symbolsPerCall) void this.#send(batch)
    return waiter.promise
  }

  #open(): Batch {
    const nowMs = this.#idleMs()
    const batch: Batch = {
      waiting: new Map(),
      openedMs: nowMs,
      quietMs: nowMs - this.#sentMs < patienceMs ? patienceMs : quietMs,
      lastMs: nowMs,
      payers: new Set(),
      isForAll: false,
      timer: setTimeout(() => this.#review(batch), quietMs),
      limit: setTimeout(() => void this.#send(batch), busyPatienceMs),
    }
    this.#gathering = batch
    return batch
  }

  #review(batch: Batch): void {
    const leftMs = Math.min(batch.lastMs + batch.quietMs, batch.openedMs + patienceMs) - this.#idleMs()
    if (leftMs <= toleranceMs) void this.#send(batch)
    else batch.timer = setTimeout(() => this.#review(batch), Math.ceil(leftMs))
  }

  async #send(batch: Batch): Promise<void> {
    clearTimeout(batch.timer)
    clearTimeout(batch.limit)
    this.#gathering = undefined
    this.#sentMs = this.#idleMs()
    try {
      const [payer, ...others] = batch.payers
      const operation = batch.isForAll || others.length > 0 ? undefined : payer
      const found = await this.#source.listings([...batch.waiting.keys()], operation)
      for (const [symbol, waiter] of batch.waiting) waiter.resolve(found.get(symbol))
    } catch (error) {
      for (const waiter of batch.waiting.values()) waiter.reject(error)
    }
  }
}
