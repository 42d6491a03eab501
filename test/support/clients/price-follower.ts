import { decodeCursor, unheard } from '../../../src/domain/price-update.ts'
import { PriceTrack, type SeenUpdate } from './price-track.ts'
import { type Message, RawClient } from './raw-client.ts'

export interface FollowedUpdate extends SeenUpdate {
  readonly price: number
  readonly cursor: string
  readonly publishedAt: number
  readonly stale: boolean
  readonly time: string
}

/** A subscription of prices with what a follower needs, and more. */
export const followQuery = (more = ''): string =>
  `subscription ($s: [Symbol!]!, $after: [String!], $throttleMs: Int! = 0) {
    priceUpdates(symbols: $s, after: $after, throttleMs: $throttleMs) { kind symbol price seq cursor publishedAt stale time ${more} }
  }`

/** Some 7 KB an event: so what the system takes before anything waits in the server is soon reached. */
export const fatFollowQuery = followQuery(
  Array.from({ length: 50 }, (_, i) => `q${i}: quote { price currency time receivedAt source marketState }`).join(' '),
)

/** How many updates of each symbol had come at some time. */
export type Mark = ReadonlyMap<string, number>

/**
 * A client that keeps to docs/protocol.md: it counts by `seq`, and comes back with the `cursor` last seen of each symbol. What it
 * got, over all its connections, is kept, and what must not be in it is counted.
 */
export class PriceFollower implements AsyncDisposable {
  readonly symbols: readonly string[]
  /** All that came of each symbol, in that order. */
  readonly updates: ReadonlyMap<string, FollowedUpdate[]>
  readonly #track = new PriceTrack()
  readonly #query: string
  #unannounced = 0
  #client: RawClient | undefined
  #id = 0

  constructor(symbols: readonly string[], query = followQuery()) {
    this.symbols = symbols
    this.#query = query
    this.updates = new Map(symbols.map((symbol) => [symbol, []]))
  }

  /** What no client may see: another run without a SNAPSHOT, an update that comes twice, one that is older than the last. */
  get faults(): { unannounced: number; repeated: number; outOfOrder: number } {
    return { unannounced: this.#unannounced, ...this.#track.faults }
  }

  /** Updates that were left out, as the numbers tell. */
  get missing(): number {
    return this.#track.missing
  }

  /** How often each symbol has begun anew. */
  get snapshots(): number[] {
    return this.symbols.map((symbol) => this.#track.snapshots.get(symbol) ?? 0)
  }

  get cursors(): string[] {
    return this.symbols.flatMap((symbol) => this.lastOf(symbol)?.cursor ?? [])
  }

  lastOf(symbol: string): FollowedUpdate | undefined {
    return this.updates.get(symbol)?.at(-1)
  }

  mark(): Mark {
    return new Map(Array.from(this.updates, ([symbol, { length }]) => [symbol, length]))
  }

  /** By symbol. */
  since(mark: Mark): FollowedUpdate[] {
    return this.symbols.flatMap((symbol) => this.updates.get(symbol)?.slice(mark.get(symbol)) ?? [])
  }

  /** Goes on from where it is, over a connection of its own. */
  async connect(api: string, { throttleMs = 0, after = this.cursors } = {}): Promise<void> {
    this.#client = await RawClient.open(api, (message) => this.#take(message))
    this.#subscribe(after, throttleMs)
  }

  /** Goes on from where it is, over the same connection: what still comes of the subscription before is not wanted. */
  subscribeAnew(): void {
    this.#client?.complete(String(this.#id))
    this.#subscribe(this.cursors, 0)
  }

  /** Resolves when the server, or its end, has ended the connection. */
  get closed(): Promise<unknown> {
    return this.#client?.closed ?? Promise.resolve()
  }

  /** Reads no more. */
  stall(): void {
    this.#client?.stall()
  }

  readOn(): void {
    this.#client?.readOn()
  }

  /** Ends the connection without a word: what it has not read it has not got. */
  async leave(): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave()
  }

  #subscribe(after: readonly string[], throttleMs: number): void {
    this.#id += 1
    this.#client?.subscribe(String(this.#id), this.#query, { s: this.symbols, after, throttleMs })
  }

  #take(message: Message): void {
    if (message.id !== String(this.#id)) return
    this.#track.takeMessage(message)
    const { priceUpdates } = (message.payload as { data: { priceUpdates: FollowedUpdate } }).data
    const { kind, symbol, price, seq, cursor, publishedAt, stale, time } = priceUpdates
    const update = { kind, symbol, price, seq, cursor, publishedAt, stale, time }
    const last = this.lastOf(symbol)
    if (kind !== 'SNAPSHOT' && last && !goesOn(last, update)) this.#unannounced += 1
    this.updates.get(symbol)?.push(update)
  }
}

/** Within a run, or by the word of the server that the feed is silent. */
function goesOn(last: FollowedUpdate, update: FollowedUpdate): boolean {
  const [before, now] = [runOf(last), runOf(update)]
  return now === before || (update.kind === 'STATUS' && update.stale && now === unheard(before))
}

/** Which a client can't tell: to it a cursor is opaque. */
export function runOf({ cursor, symbol, seq }: FollowedUpdate): string {
  const read = decodeCursor(cursor)
  if (read?.symbol !== symbol || read.seq !== seq) throw new Error(`the cursor of ${symbol} ${seq} is ${cursor}`)
  return read.run
}
