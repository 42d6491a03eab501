import type { PriceUpdate } from '../../domain/price-update.ts'
import type { SymbolSeats } from './symbol-seats.ts'

/** For how long updates are spread before the event loop serves others. */
const turnMs = 2
/** How many seats an update goes to between two looks at the clock. */
const seatsBetweenLooks = 250
/**
 * How many updates wait at most, and how many for each symbol, so that all symbols may move at once. When more come, the
 * oldest goes to all seats at once: whatever brings them waits.
 */
const mostWaiting = 256
const mostWaitingOfSymbol = 2

interface Spread {
  readonly seats: SymbolSeats
  readonly update: PriceUpdate
  /** How many updates of the symbol to remember at most. */
  readonly remembered: number
  /** Its symbol has the update now. */
  readonly begun: () => void
}

/**
 * Spreads updates over the seats of their symbols, one after the other in the order in which they come, at once as long
 * as the turn lasts. Then the event loop serves others before it goes on.
 */
export class FanOut {
  /** The first of them may be under way. */
  #waiting: Spread[] = []
  #done = 0
  #hasBegun = false
  #isRunning = false
  #isYielding = false
  /** Seats since the last look at the clock. */
  #seats = 0
  #turnStartMs: number | undefined

  /** `symbols`: how many there are. */
  add(spread: Spread, symbols: number): void {
    this.#waiting.push(spread)
    // An update that comes of spreading another one waits for it.
    if (this.#isRunning) return
    const most = Math.max(mostWaiting, mostWaitingOfSymbol * symbols)
    if (!this.#isYielding) this.#run()
    else while (this.#waiting.length - this.#done > most) this.#finishFirst()
  }

  #run(): void {
    this.#isRunning = true
    try {
      while (this.#first) {
        this.#goOn(seatsBetweenLooks)
        if (this.#seats >= seatsBetweenLooks && this.#isTurnOver()) {
          // What comes in the same turn waits, too.
          this.#isYielding = true
          return
        }
      }
    } finally {
      this.#isRunning = false
    }
  }

  get #first(): Spread | undefined {
    return this.#waiting[this.#done]
  }

  #finishFirst(): void {
    this.#isRunning = true
    try {
      this.#goOn(Number.POSITIVE_INFINITY)
    } finally {
      this.#isRunning = false
    }
  }

  /** Spreads the first update over so many seats. */
  #goOn(most: number): void {
    const spread = this.#first
    if (!spread) return
    const { seats } = spread
    if (!this.#hasBegun) {
      seats.begin(spread.update, spread.remembered)
      this.#hasBegun = true
      spread.begun()
    }
    const passed = seats.goOn(most)
    this.#seats += passed + 1
    if (passed === most) return
    this.#hasBegun = false
    this.#done += 1
    if (this.#done < this.#waiting.length && this.#done < mostWaiting) return
    this.#waiting = this.#waiting.slice(this.#done)
    this.#done = 0
  }

  /** The first look in a turn begins it. */
  #isTurnOver(): boolean {
    this.#seats = 0
    const nowMs = performance.now()
    if (this.#turnStartMs === undefined) {
      this.#turnStartMs = nowMs
      setImmediate(() => this.#nextTurn())
    }
    return nowMs - this.#turnStartMs >= turnMs
  }

  #nextTurn(): void {
    this.#turnStartMs = undefined
    if (!this.#isYielding) return
    this.#isYielding = false
    this.#run()
  }
}
