import { type CandleRequest, type CandleSeries, maxCandles, tooManyCandles } from '../../domain/candle.ts'
import type { CandleOrder, CandleUpdate } from '../../domain/candle-update.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { minuteMs } from '../../domain/time/units.ts'
import type { Logger } from '../../platform/logger.ts'
import type { PriceOrder } from '../../stream/price-subscription.ts'
import { type CandleChange, LiveCandleBuilder } from './builder.ts'
import { LiveCandleSubscription } from './subscription.ts'
import { candleUpdate } from './update.ts'

export interface LiveCandleOptions {
  readonly market: { candles(requests: readonly CandleRequest[]): Promise<(CandleSeries | Error)[]> }
  /** A SNAPSHOT first, then each update in order; another SNAPSHOT where updates before it may be lost. */
  readonly prices: { subscribe(order: PriceOrder): Promise<AsyncIterableIterator<PriceUpdate>> }
  readonly log: Pick<Logger, 'debug' | 'error'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

type SeriesKey = Pick<CandleOrder, 'symbol' | 'interval' | 'extendedHours'>

interface Loaded {
  readonly series: CandleSeries
  /** Epoch milliseconds. */
  readonly askedMs: number
}

/** No timer runs longer than this: the clock may be set meanwhile. */
const longestTimerMs = minuteMs

/**
 * The live candles of one series, shared by all its subscribers in this process.
 *
 * States: new -> first join() -> buffering prices -> first candles loaded -> live -> last subscriber gone, or end() ->
 * ended.
 */
export class LiveCandleSeries {
  readonly #key: SeriesKey
  readonly #options: LiveCandleOptions
  readonly #onEnd: () => void
  /** Each subscription, and how many candles before each of its updates it wants. */
  readonly #subscriptions = new Map<LiveCandleSubscription, number>()
  /** Subscribers, including those that still wait for the first candles. */
  #holders = 0
  #prices: Promise<AsyncIterableIterator<PriceUpdate>> | undefined
  /** Prices that arrived before the first candles. */
  #early: PriceUpdate[] = []
  #builder: LiveCandleBuilder | undefined
  /**
   * How many candles are kept before the newest: the most that a subscriber wants, plus one that a late price may
   * change.
   */
  #depth = 1
  #timer: NodeJS.Timeout | undefined
  #isChecking = false
  /** The trading date on which all candles were last compared. */
  #comparedOn: number | undefined
  #isEnded = false

  /** `onEnd` is called once. */
  constructor(key: SeriesKey, options: LiveCandleOptions, onEnd: () => void) {
    this.#key = key
    this.#options = options
    this.#onEnd = onEnd
  }

  get subscriptions(): number {
    return this.#subscriptions.size
  }

  /** Rejects with SYMBOL_NOT_FOUND, RANGE_NOT_AVAILABLE, or what the source fails with. */
  async join(order: CandleOrder): Promise<LiveCandleSubscription> {
    this.#holders += 1
    try {
      this.#prices ??= this.#hear()
      await this.#prices
      return await this.#subscribe(order)
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  /** Ends all subscriptions. May be called twice. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#prices?.then((prices) => prices.return?.()).catch(() => {})
    for (const subscription of [...this.#subscriptions.keys()]) subscription.end()
    this.#onEnd()
  }

  async #hear(): Promise<AsyncIterableIterator<PriceUpdate>> {
    const prices = await this.#options.prices.subscribe({
      symbols: [this.#key.symbol],
      throttleMs: 0,
      after: new Map(),
    })
    this.#follow(prices).catch((error: unknown) => {
      this.#options.log.error({ err: error, ...this.#key }, 'live candles failed')
      this.end()
    })
    return prices
  }

  async #follow(prices: AsyncIterableIterator<PriceUpdate>): Promise<void> {
    for await (const update of prices) {
      if (this.#isEnded) return
      if (this.#builder) this.#price(this.#builder, update)
      else this.#early.push(update)
    }
    this.end()
  }

  #price(builder: LiveCandleBuilder, update: PriceUpdate): void {
    this.#tell(builder, builder.price(update, this.#options.now()))
    this.#turn(builder)
  }

  async #subscribe(order: CandleOrder): Promise<LiveCandleSubscription> {
    const { from, earlier, inTurn = (work) => work() } = order
    if (from === null && this.#builder?.reaches(earlier)) return this.#begin(order, null)
    const range = { from, last: from === null ? 1 : null, earlier: Math.max(1, earlier) }
    const loaded = await this.#load(range)
    return inTurn(() => this.#begin(order, loaded))
  }

  /** Nothing is awaited here, so that the subscription misses no update and gets none twice. */
  #begin({ from, earlier }: CandleOrder, loaded: Loaded | null): LiveCandleSubscription {
    const builder = loaded ? this.#adopt(loaded) : this.#builder
    if (!builder || this.#isEnded) throw new FinstageError('SOURCE_UNAVAILABLE', 'The live prices have ended')
    this.#turn(builder)
    const subscription = new LiveCandleSubscription(snapshots(builder, from, earlier), () => {
      if (this.#subscriptions.delete(subscription)) this.#leave()
    })
    this.#depth = Math.max(this.#depth, earlier)
    builder.trim(this.#depth)
    this.#subscriptions.set(subscription, earlier)
    return subscription
  }

  #leave(): void {
    this.#holders -= 1
    if (this.#holders === 0) this.end()
  }

  /** Loads the candles of a range up to the present. Rejects if they are not available. */
  async #load(range: Pick<CandleRequest, 'from' | 'last' | 'earlier'>): Promise<Loaded> {
    const askedMs = this.#options.now()
    const request = { ...this.#key, ...range, to: null, adjustment: 'SPLITS' } as const
    const [series] = await this.#options.market.candles([request])
    if (!series || series instanceof Error) throw series ?? new Error('no answer')
    return { series, askedMs }
  }

  #adopt({ series, askedMs }: Loaded): LiveCandleBuilder {
    const delayMinutes = this.#early[0]?.quote.delayMinutes ?? null
    const builder = this.#builder ?? new LiveCandleBuilder(series, this.#key.extendedHours, delayMinutes)
    this.#builder = builder
    this.#tell(builder, builder.adopt(series, askedMs, this.#options.now()))
    for (const update of this.#early.splice(0)) this.#price(builder, update)
    return builder
  }

  /**
   * Closes the candle whose time is over, checks with the source if that is due, and sets a timer for the next turn.
   */
  #turn(builder: LiveCandleBuilder): void {
    if (this.#isEnded) return
    const nowMs = this.#options.now()
    this.#tell(builder, builder.pass(nowMs))
    if (builder.checks.dueMs <= nowMs && !this.#isChecking) void this.#check(builder)
    const dueMs = Math.min(builder.endMs, this.#isChecking ? Number.POSITIVE_INFINITY : builder.checks.dueMs)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#turn(builder), Math.min(Math.max(0, dueMs - nowMs), longestTimerMs))
  }

  /**
   * Compares closed candles with the source's, and on each new trading date all of them. Never rejects: a failed check
   * is repeated later.
   */
  async #check(builder: LiveCandleBuilder): Promise<void> {
    this.#isChecking = true
    const askedMs = this.#options.now()
    try {
      const { date } = builder
      const earlier = date === this.#comparedOn ? 1 : this.#depth
      this.#adopt(await this.#load({ from: builder.checks.oldest, last: null, earlier }))
      this.#comparedOn = date
      builder.trim(this.#depth)
    } catch (error) {
      this.#options.log.debug({ err: error, ...this.#key }, 'live candles could not be compared with the source')
    }
    this.#isChecking = false
    // A check that has come due since then was not asked for.
    builder.checks.miss(askedMs)
    this.#turn(builder)
  }

  #tell(builder: LiveCandleBuilder, changes: readonly CandleChange[]): void {
    for (const change of changes) {
      // One update object for all subscriptions that want the same amount of history, so that what is computed from it
      // is computed once.
      const updates = new Map<number, CandleUpdate>()
      for (const [subscription, earlier] of this.#subscriptions) {
        const update = updates.get(earlier) ?? candleUpdate(change, builder.now, earlier)
        updates.set(earlier, update)
        subscription.push(update)
      }
    }
  }
}

/** Each candle since `from` as it stands, or only the newest. Throws RANGE_NOT_AVAILABLE if there are too many. */
function snapshots(builder: LiveCandleBuilder, from: number | null, earlier: number): Iterable<CandleUpdate> {
  const { candles: history, now } = builder
  const since = from === null ? history.length - 1 : history.findIndex(({ candle }) => candle.epoch >= from)
  const first = since === -1 ? history.length : since
  if (history.length - first > maxCandles) throw tooManyCandles()
  return each()

  function* each() {
    for (const [index, live] of history.entries()) {
      if (index >= first) yield candleUpdate({ ...live, kind: 'SNAPSHOT', history, index }, now, earlier)
    }
  }
}
