import { LRUCache } from 'lru-cache'
import { FinstageError } from '../../domain/errors.ts'
import type { CandleStore } from '../../store/candles/candle-store.ts'
import { type Series, type SeriesState, seriesName } from '../../store/candles/series.ts'
import type { Quarantine } from '../quarantine.ts'
import type { CandleBatch } from '../source.ts'

/** A currency counts as changed once this many answers in a row agree on it. */
const agreeingAnswers = 3
const rememberedSeries = 20_000

/** Keeps candles of two currencies out of one series. */
export class CurrencyCheck {
  readonly #store: Pick<CandleStore, 'forget'>
  readonly #quarantine: Quarantine | undefined
  /** By series: a currency that differs from the stored one, and how many answers in a row had it. */
  readonly #seen = new LRUCache<string, { readonly currency: string; readonly answers: number }>({
    max: rememberedSeries,
  })

  constructor(store: Pick<CandleStore, 'forget'>, quarantine: Quarantine | undefined) {
    this.#store = store
    this.#quarantine = quarantine
  }

  /**
   * Throws if the answer's currency is not the stored one. Once enough answers agree on the new currency, it drops the
   * stored candles, and the next fetch begins the series anew.
   */
  async check(series: Series, { facts }: CandleBatch, state: SeriesState | null): Promise<void> {
    const currency = facts?.currency
    const key = seriesName(series)
    if (currency == null || state?.currency == null || currency === state.currency) {
      this.#seen.delete(key)
      return
    }
    const seen = this.#seen.get(key)
    const answers = (seen?.currency === currency ? seen.answers : 0) + 1
    this.#seen.set(key, { currency, answers })
    if (answers >= agreeingAnswers) {
      await this.#store.forget(series)
      this.#seen.delete(key)
    } else {
      this.#quarantine?.report(series.symbol, 'currency changed', { currency, before: state.currency })
    }
    throw new FinstageError('SOURCE_UNAVAILABLE', `The source sent candles in ${currency} instead of ${state.currency}`)
  }
}
