import { Delays } from './delays.ts'

/** One message in this many is parsed and checked as a whole. */
const sampledEvery = 97

const seqKey = Buffer.from('"seq":')
/** Follows the number in every message, because fields come in the order in which they are asked for. */
const publishedKey = Buffer.from(',"publishedAt":')
const digitZero = 48

const priceFields = ['symbol', 'price', 'seq', 'publishedAt']

/** Compares when the ticks of a symbol come with when they are due. */
export class TickClock {
  readonly #periodMs: number
  /** The lag of the promptest tick, with which all others are compared. */
  #leastLag = Number.POSITIVE_INFINITY
  #newestLag = Number.NEGATIVE_INFINITY

  constructor(ticksPerSecond: number) {
    this.#periodMs = 1000 / ticksPerSecond
  }

  /** How much later than the promptest tick this one came. */
  behindMs(seq: number, nowMs: number): number {
    this.#newestLag = nowMs - seq * this.#periodMs
    if (this.#newestLag < this.#leastLag) this.#leastLag = this.#newestLag
    return this.#newestLag - this.#leastLag
  }

  /** How far the newest tick was behind. */
  get newestMs(): number {
    return this.#newestLag - this.#leastLag
  }

  /** So that a server that once left out ticks does not count as behind for ever. */
  reset(): void {
    this.#leastLag = this.#newestLag
  }
}

/** How far a reader of prices has come. */
export interface Reader {
  readonly id: string
  readonly symbol: string
  readonly clock: TickClock
  /** Number of its newest price; null: none yet. */
  seq: number | null
  /** Numbers that were left out. */
  missing: number
}

/** What sockets hand their messages to. */
export interface MessageTally {
  /** A read begins. */
  began(): void
  /** Counts the message in bytes[from, to); false: it holds no price. Throws if it is wrong. */
  take(bytes: Buffer, from: number, to: number, reader: Reader): boolean
}

/**
 * Counts the prices of all sockets of a load client. It reads the two numbers of a message from its bytes, at the place
 * where they were in the previous one. It parses and checks one message in 97 as a whole.
 */
export class PriceTally implements MessageTally {
  /** Epoch milliseconds with fractions, set before the messages of one read are counted. */
  nowMs = 0
  isMeasuring = false
  /** Delay from the server's `publishedAt` to the receipt. */
  readonly delays = new Delays()
  /**
   * Delay from when the tick was due to its receipt. Unlike `publishedAt`, it shows a server that is late with its
   * ticks.
   */
  readonly behind = new Delays()
  /** In how many reads the messages came. */
  reads = 0
  /** The fields to ask for. */
  readonly fields: string
  /** Names of the fields in an answer. */
  readonly #names: string
  #received = 0
  #seqAt = 0
  #end = 0

  constructor(moreFields: readonly string[] = []) {
    const fields = [...priceFields, ...moreFields]
    this.fields = fields.join(' ')
    this.#names = fields.map((field) => field.split(':', 1)[0]).join(' ')
  }

  began(): void {
    this.nowMs = performance.timeOrigin + performance.now()
    if (this.isMeasuring) this.reads += 1
  }

  take(bytes: Buffer, from: number, to: number, reader: Reader): boolean {
    if (!startsWith(bytes, from + this.#seqAt, to, seqKey)) {
      const found = bytes.subarray(from, to).indexOf(seqKey)
      if (found < 0) return false
      this.#seqAt = found
    }
    const seq = this.#number(bytes, from + this.#seqAt + seqKey.length)
    if (!startsWith(bytes, this.#end, to, publishedKey)) throw wrong(bytes, from, to)
    const publishedAt = this.#number(bytes, this.#end + publishedKey.length)
    if (++this.#received % sampledEvery === 0) this.#check(bytes, from, to, reader, seq)
    const before = reader.seq
    reader.seq = seq
    const behindMs = reader.clock.behindMs(seq, this.nowMs)
    if (before !== null && seq <= before) throw new Error(`out of order: ${seq} after ${before}`)
    if (before !== null) reader.missing += seq - before - 1
    if (!this.isMeasuring) return true
    this.delays.add(this.nowMs - publishedAt)
    this.behind.add(behindMs)
    return true
  }

  #check(bytes: Buffer, from: number, to: number, { id, symbol }: Reader, seq: number): void {
    const message = JSON.parse(bytes.toString('utf8', from, to)) as {
      id?: string
      type?: string
      payload?: { data?: { priceUpdates?: Record<string, unknown> } }
    }
    const update = message.payload?.data?.priceUpdates ?? {}
    const isRight =
      message.id === id &&
      message.type === 'next' &&
      update.symbol === symbol &&
      Number(update.price) > 0 &&
      update.seq === seq &&
      Number(update.publishedAt) > 0 &&
      Object.keys(update).join(' ') === this.#names
    if (!isRight) throw wrong(bytes, from, to)
  }

  /** Leaves the position after the number in #end. */
  #number(bytes: Buffer, at: number): number {
    let value = 0
    for (;;) {
      const digit = (bytes[at] ?? 0) - digitZero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at += 1
    }
    this.#end = at
    return value
  }
}

/**
 * Whether the text is at that place of a message that ends at `to`. Behind the message stand others, and what is left of
 * earlier reads: a place in there says nothing of it.
 */
export function startsWith(bytes: Buffer, at: number, to: number, text: Buffer): boolean {
  if (at + text.length > to) return false
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}

const wrong = (bytes: Buffer, from: number, to: number): Error =>
  new Error(`a wrong message: ${bytes.toString('utf8', from, to)}`)
