import type { PriceUpdate } from '../domain/price-update.ts'
import { Channel } from './channel.ts'

/** How many updates wait for a reader before only the newest of each symbol is kept. */
const maxWaiting = 1024

/** An update and the run of the feed that numbered it. */
export interface NumberedUpdate {
  readonly run: string
  readonly update: PriceUpdate
}

/**
 * The updates of some symbols on their way to one reader. A slow reader loses prices between, never the order, and its queue
 * stays bounded. Ignores what it has seen; tells as SNAPSHOT what does not go on from there.
 */
export class PriceSubscription {
  readonly symbols: readonly string[]
  readonly updates: Channel<PriceUpdate>
  readonly #last = new Map<string, { run: string; seq: number }>()

  constructor(symbols: readonly string[], onEnd: (subscription: PriceSubscription) => void) {
    this.symbols = symbols
    this.updates = new Channel<PriceUpdate>({
      maxWaiting: maxWaiting + symbols.length,
      compact: newestOfEachSymbol,
      onEnd: () => onEnd(this),
    })
  }

  push({ run, update }: NumberedUpdate): void {
    const { symbol } = update.quote
    const last = this.#last.get(symbol)
    const goesOn = last?.run === run
    if (goesOn && update.seq <= last.seq) return
    this.#last.set(symbol, { run, seq: update.seq })
    this.updates.push(goesOn ? update : { ...update, kind: 'SNAPSHOT' })
  }
}

/** A snapshot that is passed over makes the update that takes its place one. */
export function newestOfEachSymbol(updates: readonly PriceUpdate[]): PriceUpdate[] {
  const newest = new Map<string, PriceUpdate>()
  for (const update of updates) {
    const before = newest.get(update.quote.symbol)
    newest.delete(update.quote.symbol)
    newest.set(update.quote.symbol, before?.kind === 'SNAPSHOT' ? { ...update, kind: 'SNAPSHOT' } : update)
  }
  return [...newest.values()]
}
