import type { Listing } from '../domain/quote.ts'
import { type MarketSource, symbolsPerCall } from './market-source.ts'

/** So long without a new symbol, and the batch is taken for complete. */
const quietMs = 5
/** The longest that a symbol waits for others. */
const patienceMs = 25

type Answer = Listing | undefined

interface Batch {
  readonly waiting: Map<string, PromiseWithResolvers<Answer>>
  quiet: NodeJS.Timeout
  readonly patience: NodeJS.Timeout
}

/**
 * Asks a source together for what is asked for at about the same time. A batch gathers until no new symbol has come for 5 ms,
 * 25 ms have passed, or 100 symbols are together; then it is sent, and the next symbol opens another one. Batches have nothing
 * to do with each other: one that fails or hangs keeps none of the others.
 */
export class ListingBatcher {
  readonly #source: Pick<MarketSource, 'listings'>
  #gathering: Batch | undefined

  constructor(source: Pick<MarketSource, 'listings'>) {
    this.#source = source
  }

  /** undefined: the source does not know the symbol. Rejects with what the call fails with. */
  load(symbol: string): Promise<Answer> {
    const batch = this.#gathering ?? this.#open()
    const known = batch.waiting.get(symbol)
    if (known) return known.promise
    const waiter = Promise.withResolvers<Answer>()
    batch.waiting.set(symbol, waiter)
    if (batch.waiting.size >= symbolsPerCall) void this.#send(batch)
    else batch.quiet.refresh()
    return waiter.promise
  }

  #open(): Batch {
    const send = (): void => void this.#send(batch)
    const batch: Batch = {
      waiting: new Map(),
      quiet: setTimeout(send, quietMs),
      patience: setTimeout(send, patienceMs),
    }
    this.#gathering = batch
    return batch
  }

  async #send(batch: Batch): Promise<void> {
    clearTimeout(batch.quiet)
    clearTimeout(batch.patience)
    this.#gathering = undefined
    try {
      const found = await this.#source.listings([...batch.waiting.keys()])
      for (const [symbol, waiter] of batch.waiting) waiter.resolve(found.get(symbol))
    } catch (error) {
      for (const waiter of batch.waiting.values()) waiter.reject(error)
    }
  }
}
