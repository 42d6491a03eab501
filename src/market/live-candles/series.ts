import { type CandleRequest, type CandleSeries, maxCandles, tooManyCandles } from '../../domain/candle.ts'
import type { CandleOrder, CandleUpdate } from '../../domain/candle-update.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { PriceUpdate } from '../../domain/price-update.ts'
import { minuteMs } from '../../domain/time.ts'
import type { Logger } from '../../platform/logger.ts'
import type { PriceOrder } from '../../stream/price-subscription.ts'
import { type CandleChange, LiveCandleBuilder } from './builder.ts'
import { LiveCandleSubscription } from './subscription.ts'
import { candleUpdate } from './update.ts'

export interface LiveCandleOptions {
  readonly market: { candles(requests: readonly CandleRequest[]): Promise<(CandleSeries | Error)[]> }
  /** A SNAPSHOT first, then each update in order; a SNAPSHOT again where some may lack before it. */
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

/** No timer is set for longer: the clock may be set meanwhile. */
const longestTimerMs = minuteMs

/**
 * The live candles of one series, for all in this process who subscribe to them. Its states: new -> the first join() -> hearing
 * prices, which wait -> the first candles are loaded -> live -> the last subscriber has left, or end() -> ended.
 */
export class LiveCandleSeries {
  readonly #key: SeriesKey
  readonly #options: LiveCandleOptions
  readonly #onEnd: () => void
  /** And how many candles before each they want. */
  readonly #subscriptions = new Map<LiveCandleSubscription, number>()
  /** Those included that wait to be subscribed. */
  #holders = 0
  #prices: Promise<AsyncIterableIterator<PriceUpdate>> | undefined
  /** What came before the first candles had. */
  #early: PriceUpdate[] = []
  #builder: LiveCandleBuilder | undefined
  /** How many candles are kept before the newest: the most that any subscriber wants, and one that a late price may change. */
  #depth = 1
  #timer: NodeJS.Timeout | undefined
  #isChecking = false
  /** When all candles were compared last, by the exchange's calendar. */
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

  async #subscribe({ from, earlier }: CandleOrder): Promise<LiveCandleSubscription> {
    const isAtHand = from === null && this.#builder?.reaches(earlier) === true
    const range = { from, last: from === null ? 1 : null, earlier: Math.max(1, earlier) }
    const loaded = isAtHand ? null : await this.#load(range)
    // From here on nothing is awaited until the subscription is among those that are told: it misses nothing, and nothing twice.
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

  /** The candles of a range up to the present. Rejects where they can't be had. */
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

  /** Closes what is over, asks the source where it is time to, and comes back when there is something to do again. */
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
   * Compares what has closed with what the source has of it, and once a date all that there is. Never rejects: what fails is
   * done again later.
   */
  async #check(builder: LiveCandleBuilder): Promise<void> {
    this.#isChecking = true
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
    builder.checks.miss(this.#options.now())
    this.#turn(builder)
  }

  #tell(builder: LiveCandleBuilder, changes: readonly CandleChange[]): void {
    for (const change of changes) {
      // One for all who want as much of history: what is computed from it is computed once.
      const updates = new Map<number, CandleUpdate>()
      for (const [subscription, earlier] of this.#subscriptions) {
        const update = updates.get(earlier) ?? candleUpdate(change, builder.now, earlier)
        updates.set(earlier, update)
        subscription.push(update)
      }
    }
  }
}

/** Each candle since a time as it stands, or only the newest. Throws RANGE_NOT_AVAILABLE where those are too many. */
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
