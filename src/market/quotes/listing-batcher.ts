import type { Listing } from '../../domain/quote.ts'
import { spareMs } from '../../platform/concurrency/event-loop-turns.ts'
import type { CallBudget } from '../call-budget.ts'
import { type MarketSource, symbolsPerCall } from '../source.ts'

/** After this long without a new symbol, a batch counts as complete. */
const quietMs = 5
/**
 * The longest that a symbol waits for others. A batch that opens this soon after another one shows that the other was
 * not complete.
 */
const patienceMs = 25
/** The same while the process is busy. */
const busyPatienceMs = 1000
/** Timers and the event loop's own clock differ by less. */
const toleranceMs = 0.5

type Answer = Listing | undefined

interface Batch {
  readonly waiting: Map<string, PromiseWithResolvers<Answer>>
  /** In spare time of the event loop: when the batch was opened, and when its last symbol came. */
  readonly openedMs: number
  readonly quietMs: number
  lastMs: number
  timer: NodeJS.Timeout
  /** The operations that have paid for this call. */
  readonly payers: Set<CallBudget>
  /** Part of the batch is for callers that do not pay. */
  isForAll: boolean
  readonly limit: NodeJS.Timeout
}

export interface ListingBatcherOptions {
  readonly source: Pick<MarketSource, 'listings'>
  /** How much time the event loop has had to spare so far, in milliseconds. */
  readonly spareMs?: () => number
}

/**
 * Collects symbols that are asked for at about the same time into one call of the source. A batch is sent once no new
 * symbol has come for 5 ms, 25 ms have passed, or it holds 100 symbols; the next symbol opens another one. A batch that
 * follows at once waits the full 25 ms: it is the rest of a burst. Batches are independent: one that fails or hangs
 * does not hold up the others.
 *
 * Only time counts that the event loop has to spare, idle or with work that waits for everything else. While the loop is
 * busy otherwise, requests are still being read, and an answer would have to wait behind them: a burst that takes the
 * process half a second to read goes upstream in one call. A process that has no time to spare waits a second at most.
 */
export class ListingBatcher {
  readonly #source: Pick<MarketSource, 'listings'>
  readonly #spareMs: () => number
  #gathering: Batch | undefined
  /** In spare time of the event loop. */
  #sentMs = Number.NEGATIVE_INFINITY

  constructor({ source, spareMs: spare = spareMs }: ListingBatcherOptions) {
    this.#source = source
    this.#spareMs = spare
  }

  /**
   * undefined: the source does not know the symbol. Rejects with the error of the call. An operation pays for each call
   * that carries one of its symbols; throws LIMIT_EXCEEDED if it cannot.
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
    batch.lastMs = this.#spareMs()
    if (batch.waiting.size >= symbolsPerCall) void this.#send(batch)
    return waiter.promise
  }

  #open(): Batch {
    const nowMs = this.#spareMs()
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
    const leftMs = Math.min(batch.lastMs + batch.quietMs, batch.openedMs + patienceMs) - this.#spareMs()
    if (leftMs <= toleranceMs) void this.#send(batch)
    else batch.timer = setTimeout(() => this.#review(batch), Math.ceil(leftMs))
  }

  async #send(batch: Batch): Promise<void> {
    clearTimeout(batch.timer)
    clearTimeout(batch.limit)
    this.#gathering = undefined
    this.#sentMs = this.#spareMs()
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
