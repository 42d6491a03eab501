import type { Message } from './raw-client.ts'

/** What a client sees of one update. */
export interface SeenUpdate {
  readonly kind: 'SNAPSHOT' | 'TICK' | 'STATUS'
  readonly symbol: string
  readonly seq: number
}

/** What a client can tell from the numbers alone: whether it has missed anything, got it twice, or in the wrong order. */
export class PriceTrack {
  readonly last = new Map<string, SeenUpdate>()
  readonly snapshots = new Map<string, number>()
  /** Numbers that were left out. */
  missing = 0
  repeated = 0
  outOfOrder = 0
  count = 0

  readonly take = (update: SeenUpdate): void => {
    this.count += 1
    const before = this.last.get(update.symbol)
    this.last.set(update.symbol, update)
    if (update.kind === 'SNAPSHOT') {
      this.snapshots.set(update.symbol, (this.snapshots.get(update.symbol) ?? 0) + 1)
      return
    }
    if (!before || update.seq < before.seq) this.outOfOrder += 1
    else if (update.seq === before.seq) this.repeated += 1
    else this.missing += update.seq - before.seq - 1
  }

  /** Takes the next messages of a client; others are errors. */
  readonly takeMessage = (message: Omit<Message, 'id'>): void => {
    const { data } = (message.payload ?? {}) as { data?: { priceUpdates: SeenUpdate } }
    if (message.type !== 'next' || !data) throw new Error(`not expected: ${JSON.stringify(message)}`)
    this.take(data.priceUpdates)
  }

  seqOf(symbol: string): number {
    return this.last.get(symbol)?.seq ?? Number.NaN
  }

  get faults(): { repeated: number; outOfOrder: number } {
    return { repeated: this.repeated, outOfOrder: this.outOfOrder }
  }
}
