import { Delays } from '../support/delays.ts'
import { type MessageTally, type Reader, startsWith, type TickClock } from '../support/price-tally.ts'

/** One message in this many is parsed and checked as a whole. */
const sampledEvery = 997
const tableSize = 1 << 20

const symbolKey = Buffer.from('"symbol":"')
/** Follows the symbol in every message, because fields come in the order in which they are asked for. */
const seqKey = Buffer.from('","seq":')
const publishedKey = Buffer.from(',"publishedAt":')
const [digitZero, quotationMark] = [48, 34]

/**
 * Counts the prices of clients that each have many symbols. For each client and symbol it knows the last number: a seat.
 * Every seat must see its numbers go up; what is left out between them is counted.
 */
export class SeatTally implements MessageTally {
  isMeasuring = false
  /** Delay from the server's `publishedAt` to the receipt. */
  readonly delays = new Delays()
  /** Delay from when the tick was due to its receipt: it shows a server that is late with its ticks. */
  readonly behind = new Delays()
  /** Delay of the newest price, from the server's `publishedAt` to the receipt. */
  newestDelayMs = 0
  /** In how many reads the messages came. */
  reads = 0
  /** Numbers that were left out of sequences, as their next number told. */
  leftOut = 0
  readonly #symbols: readonly string[]
  readonly #clocks: readonly TickClock[]
  /** The index of a symbol, plus one, by the hash of its bytes. */
  readonly #indexes = new Uint16Array(tableSize)
  readonly #factor: number
  /** The last number of each client and symbol, client by client; 0: none yet. */
  readonly #seats: Int32Array
  readonly #newest: Int32Array
  #received = 0
  #nowMs = 0
  #symbolAt = 0
  #end = 0

  constructor(symbols: readonly string[], clients: number, clocks: readonly TickClock[]) {
    this.#symbols = symbols
    this.#clocks = clocks
    this.#seats = new Int32Array(symbols.length * clients)
    this.#newest = new Int32Array(symbols.length)
    this.#factor = this.#enterAll()
  }

  /** How many prices there were in all. */
  get received(): number {
    return this.#received
  }

  began(): void {
    this.#nowMs = performance.timeOrigin + performance.now()
    if (this.isMeasuring) this.reads += 1
  }

  take(bytes: Buffer, from: number, to: number, reader: SeatReader): boolean {
    if (!startsWith(bytes, from + this.#symbolAt, to, symbolKey)) {
      const found = bytes.subarray(from, to).indexOf(symbolKey)
      if (found < 0) return false
      this.#symbolAt = found
    }
    const symbol = this.#symbol(bytes, from + this.#symbolAt + symbolKey.length)
    if (symbol < 0 || !startsWith(bytes, this.#end, to, seqKey)) throw wrong(bytes, from, to)
    const seq = this.#number(bytes, this.#end + seqKey.length)
    if (!startsWith(bytes, this.#end, to, publishedKey)) throw wrong(bytes, from, to)
    const publishedAt = this.#number(bytes, this.#end + publishedKey.length)
    if (++this.#received % sampledEvery === 0) this.#check(bytes, from, to, reader)
    this.#count(reader, symbol, seq, publishedAt)
    return true
  }

  /** How many seats are further behind the newest number of their symbol, or have none at all. */
  stuck(readers: Iterable<SeatReader>, by: number): number {
    let stuck = 0
    for (const reader of readers) {
      for (const symbol of reader.symbols) {
        const last = this.#seats[reader.index * this.#symbols.length + symbol] as number
        if (last === 0 || last < (this.#newest[symbol] as number) - by) stuck += 1
      }
    }
    return stuck
  }

  #count(reader: SeatReader, symbol: number, seq: number, publishedAt: number): void {
    reader.seq = seq
    const seat = reader.index * this.#symbols.length + symbol
    const before = this.#seats[seat] as number
    if (seq <= before) throw new Error(`out of order: ${seq} after ${before} of ${this.#symbols[symbol]}`)
    this.#seats[seat] = seq
    if (seq > (this.#newest[symbol] as number)) this.#newest[symbol] = seq
    const behindMs = (this.#clocks[symbol] as TickClock).behindMs(seq, this.#nowMs)
    if (before === 0) return
    this.newestDelayMs = this.#nowMs - publishedAt
    if (!this.isMeasuring) return
    this.leftOut += seq - before - 1
    this.delays.add(this.newestDelayMs)
    this.behind.add(behindMs)
  }

  #check(bytes: Buffer, from: number, to: number, { id }: SeatReader): void {
    const message = JSON.parse(bytes.toString('utf8', from, to)) as {
      id?: string
      type?: string
      payload?: { errors?: unknown; data?: { priceUpdates?: { price?: number; last?: number } } }
    }
    const { price, last } = message.payload?.data?.priceUpdates ?? {}
    const isRight = message.id === id && message.type === 'next' && Number(price ?? last) > 0
    if (!isRight || message.payload?.errors) throw wrong(bytes, from, to)
  }

  /** Returns a factor with which no two symbols have the same hash. */
  #enterAll(): number {
    for (let factor = 31; ; factor += 2) {
      this.#indexes.fill(0)
      const isUnique = this.#symbols.every((symbol, index) => {
        let hash = 0
        for (const byte of Buffer.from(symbol)) hash = (Math.imul(hash, factor) + byte) | 0
        const at = hash & (tableSize - 1)
        if (this.#indexes[at] !== 0) return false
        this.#indexes[at] = index + 1
        return true
      })
      if (isUnique) return factor
    }
  }

  /** Returns the index of the symbol, or -1. Leaves the position after it in #end. */
  #symbol(bytes: Buffer, at: number): number {
    let hash = 0
    let byte = bytes[at] ?? quotationMark
    let end = at
    while (byte !== quotationMark) {
      hash = (Math.imul(hash, this.#factor) + byte) | 0
      byte = bytes[++end] ?? quotationMark
    }
    this.#end = end
    return (this.#indexes[hash & (tableSize - 1)] ?? 0) - 1
  }

  /** Leaves the position after the number in #end. */
  #number(bytes: Buffer, at: number): number {
    let value = 0
    let end = at
    for (;;) {
      const digit = (bytes[end] ?? 0) - digitZero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      end += 1
    }
    this.#end = end
    return value
  }
}

/** A client, as the tally knows it. */
export interface SeatReader extends Reader {
  readonly index: number
  /** Indexes of its symbols. */
  readonly symbols: readonly number[]
}

const wrong = (bytes: Buffer, from: number, to: number): Error =>
  new Error(`a wrong message: ${bytes.toString('utf8', from, to)}`)
