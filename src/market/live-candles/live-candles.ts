import type { Registry } from 'prom-client'
import type { CandleOrder, CandleUpdate } from '../../domain/candle-update.ts'
import type { FinstageError } from '../../domain/errors.ts'
import { isDaily } from '../../domain/time/interval.ts'
import { gaugeOf } from '../../platform/metrics.ts'
import { type LiveCandleOptions, LiveCandleSeries } from './series.ts'

/** Candles as they form, built from live prices once for all subscribers of this process. */
export class LiveCandles {
  readonly #options: LiveCandleOptions
  readonly #series = new Map<string, LiveCandleSeries>()

  constructor(options: LiveCandleOptions & { readonly registry: Registry }) {
    this.#options = options
    const all = this.#series
    gaugeOf(
      options.registry,
      'finstage_live_candle_series',
      'Series of candles that are built from live prices',
      () => all.size,
    )
    gaugeOf(options.registry, 'finstage_candle_subscriptions', 'Candle subscriptions that are open', () =>
      [...all.values()].reduce((sum, { subscriptions }) => sum + subscriptions, 0),
    )
  }

  /**
   * Sends candles as they stand, then each change: of the newest candle and, if a price is late, of the one before. A
   * reader with too many waiting updates gets those, then LIMIT_EXCEEDED as the last. Rejects with SYMBOL_NOT_FOUND,
   * RANGE_NOT_AVAILABLE, or the source's error.
   */
  subscribe(order: CandleOrder): Promise<AsyncIterableIterator<CandleUpdate | FinstageError>> {
    const { symbol, interval } = order
    const extendedHours = order.extendedHours && !isDaily(interval)
    const name = `${symbol} ${interval} ${extendedHours}`
    const series =
      this.#series.get(name) ??
      new LiveCandleSeries({ symbol, interval, extendedHours }, this.#options, () => this.#series.delete(name))
    this.#series.set(name, series)
    return series.join(order)
  }

  /** Ends every subscription. */
  stop(): void {
    for (const series of [...this.#series.values()]) series.end()
  }
}
