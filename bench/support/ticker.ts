/** What the reference servers publish. */
export interface Tick {
  readonly symbol: string
  readonly price: number
  readonly seq: number
  /** Epoch milliseconds. */
  readonly publishedAt: number
}

const roundMs = 5
const catchUpMs = 1000
const goldenRatio = 0.618034

/**
 * Ticks every watched symbol like the simulated market: at fixed times of the clock, each symbol's own. A round every 5
 * ms sends the ticks that came due; after a pause only those of the newest second.
 */
export class Ticker {
  readonly #periodMs: number
  readonly #publish: (tick: Tick) => void
  readonly #newest = new Map<string, Tick>()
  #lastRoundMs = Date.now()

  constructor(ticksPerSecond: number, publish: (tick: Tick) => void) {
    this.#periodMs = 1000 / ticksPerSecond
    this.#publish = publish
    setInterval(() => this.#round(), roundMs)
  }

  watch(symbol: string): void {
    if (!this.#newest.has(symbol)) this.#newest.set(symbol, { symbol, price: 189.32, seq: 0, publishedAt: 0 })
  }

  #round(): void {
    const nowMs = Date.now()
    const fromMs = Math.max(this.#lastRoundMs, nowMs - catchUpMs)
    this.#lastRoundMs = nowMs
    let phase = 0
    for (const symbol of this.#newest.keys()) {
      phase = (phase + goldenRatio) % 1
      const last = Math.floor(nowMs / this.#periodMs - phase)
      for (let n = Math.floor(fromMs / this.#periodMs - phase) + 1; n <= last; n++) this.#tick(symbol)
    }
  }

  #tick(symbol: string): void {
    const { price, seq } = this.#newest.get(symbol) as Tick
    const moved = Math.max(1, Math.round((price + Math.random() - 0.5) * 100) / 100)
    const tick = { symbol, price: moved, seq: seq + 1, publishedAt: Date.now() }
    this.#newest.set(symbol, tick)
    this.#publish(tick)
  }
}
