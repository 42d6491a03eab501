import { Delays } from './delays.ts'

/** One message in so many is parsed and looked at as a whole. */
const sampledEvery = 97

const seqKey = Buffer.from('"seq":')
/** What follows the number in every message: the fields come in the order in which they are asked for. */
const publishedKey = Buffer.from(',"publishedAt":')
const digitZero = 48

const priceFields = ['symbol', 'price', 'seq', 'publishedAt']

/** When the ticks of a symbol come, against when they are due. */
export class TickClock {
  readonly #periodMs: number
  /** Where nothing holds a tick up: the lag that all others are compared with. */
  #leastLag = Number.POSITIVE_INFINITY
  #newestLag = Number.NEGATIVE_INFINITY

  constructor(ticksPerSecond: number) {
    this.#periodMs = 1000 / ticksPerSecond
  }

  /** How much later than the promptest tick this one has come. */
  behindMs(seq: number, nowMs: number): number {
    this.#newestLag = nowMs - seq * this.#periodMs
    if (this.#newestLag < this.#leastLag) this.#leastLag = this.#newestLag
    return this.#newestLag - this.#leastLag
  }

  /** How far the newest one was behind. */
  get newestMs(): number {
    return this.#newestLag - this.#leastLag
  }

  /** A server that has left ticks out once is not behind for ever. */
  reset(): void {
    this.#leastLag = this.#newestLag
  }
}

/** What a reader of prices has come to. */
export interface Reader {
  readonly id: string
  readonly symbol: string
  readonly clock: TickClock
  /** The number of its newest price; null: it has none yet. */
  seq: number | null
  /** Numbers that were left out. */
  missing: number
}

/**
 * Counts the prices of all sockets of a load client. The two numbers of a message are read from its bytes where they stood in the
 * one before; one message in 97 is parsed and checked as a whole.
 */
export class PriceTally {
  /** Epoch milliseconds, with fractions: set anew before what was read together is told. */
  nowMs = 0
  isMeasuring = false
  /** From the server's `publishedAt` to the receipt. */
  readonly delays = new Delays()
  /** From when the tick was due to its receipt: shows what `publishedAt` does not, a server that comes late to its ticks. */
  readonly behind = new Delays()
  /** How many pieces the messages came in. */
  reads = 0
  /** What is asked for of a price. */
  readonly fields: string
  /** Of the fields in an answer. */
  readonly #names: string
  #received = 0
  #seqAt = 0
  #end = 0

  constructor(moreFields: readonly string[] = []) {
    const fields = [...priceFields, ...moreFields]
    this.fields = fields.join(' ')
    this.#names = fields.map((field) => field.split(':', 1)[0]).join(' ')
  }

  /** Of one read. */
  began(): void {
    this.nowMs = performance.timeOrigin + performance.now()
    if (this.isMeasuring) this.reads += 1
  }

  /** Takes the message between two places; false: it holds no price. Throws where it is wrong. */
  take(bytes: Buffer, from: number, to: number, reader: Reader): boolean {
    if (!startsWith(bytes, from + this.#seqAt, seqKey)) {
      const found = bytes.subarray(from, to).indexOf(seqKey)
      if (found < 0) return false
      this.#seqAt = found
    }
    const seq = this.#number(bytes, from + this.#seqAt + seqKey.length)
    if (!startsWith(bytes, this.#end, publishedKey)) throw wrong(bytes, from, to)
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

  /** Leaves the place behind it in #end. */
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

function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}

const wrong = (bytes: Buffer, from: number, to: number): Error =>
  new Error(`a wrong message: ${bytes.toString('utf8', from, to)}`)
