import { longestMeasuredSeconds, measuredOn, measurer } from '../../analysis/outcome.ts'
import type { CandleRequest, CandleSeries } from '../../domain/candle.ts'
import { FinstageError } from '../../domain/errors.ts'
import { daySeconds, hourSeconds } from '../../domain/time/units.ts'
import type { MarketService } from '../../market/market-service.ts'
import { settleSeconds } from '../../market/source.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import type { Logger } from '../../platform/logger.ts'
import type { DueSignal, FollowedSignal, OutcomeStore } from '../../store/analyses/outcome-store.ts'
import { unsettledDays } from '../../store/candles/series.ts'
import type { Schedule } from '../queue/schedule.ts'

const name = 'follow_signals'
/** How many signals are read and written at once. */
const batchSize = 1000
/** A signal is looked at once more when the last candle that it was measured on is this old, and asked for again. */
const unsettledSeconds = unsettledDays * daySeconds
/** The delay after a temporary failure. */
const retrySeconds = hourSeconds
/** How long a signal is followed from when it was known: its last horizon, a month, and 60 days of retries. */
const givesUpAfterSeconds = (31 + 60) * daySeconds

/**
 * How many series are worked on at once. Few, since nobody waits for them, and jobs and requests need the rest.
 */
export const seriesAtOnce = 4

export interface FollowSignalsOptions {
  readonly market: Pick<MarketService, 'candles'>
  readonly outcomes: OutcomeStore
  readonly slots: FairSlots
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * Every quarter of an hour, fills in the outcomes of stored signals whose next horizon has passed
 * (docs/signal-outcomes.md). Missed runs need not be made up for, since what they missed is still due. The next run
 * goes on where one was cut off.
 */
export function followSignals(options: FollowSignalsOptions): Schedule {
  let isRunning = false
  return {
    name,
    cron: '*/15 * * * *',
    makeUpHours: 0,
    async run(_dueAtMs, log, signal) {
      // A run that takes long is not joined by the next.
      if (isRunning) return
      isRunning = true
      try {
        const followed = await followAll(options, log, signal)
        if (followed > 0) log.info({ followed }, 'signals followed')
      } finally {
        isRunning = false
      }
    },
  }
}

async function followAll(options: FollowSignalsOptions, log: Logger, signal: AbortSignal): Promise<number> {
  const { outcomes, slots, now } = options
  let followed = 0
  while (!signal.aborted) {
    const due = await outcomes.due(now(), batchSize)
    const series = Map.groupBy(due, ({ symbol, interval }) => `${symbol} ${measuredOn(interval)}`)
    const done = await Promise.allSettled(
      [...series.values()].map((signals) => slots.run(name, () => follow(signals, options, log), signal)),
    )
    // When a run is cut off, the finished series still count.
    const filled = await outcomes.fill(done.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])))
    followed += filled
    // None was due, or another worker had all of them.
    if (filled === 0) break
  }
  return followed
}

/** Follows signals that are measured on the same candles. Never rejects: signals that fail are due again later. */
async function follow(
  signals: readonly DueSignal[],
  options: FollowSignalsOptions,
  log: Logger,
): Promise<FollowedSignal[]> {
  const nowSeconds = options.now() / 1000
  try {
    return measured(signals, await candlesFor(signals, options.market), nowSeconds)
  } catch (error) {
    const code = error instanceof FinstageError ? error.code : 'INTERNAL'
    if (code === 'RANGE_NOT_AVAILABLE') return followApart(signals, options, log)
    if (code === 'SYMBOL_NOT_FOUND' || code === 'NO_DATA') return signals.map(ended)
    if (code === 'INTERNAL') log.error({ err: error, symbol: signals[0]?.symbol }, 'signals could not be followed')
    return signals.map((signal) => ({ signal, outcome: null, followAtMs: retryAtMs(signal, nowSeconds) }))
  }
}

/** Splits the signals in the middle of their time, since the oldest may be out of the source's reach and the newest not. */
async function followApart(
  signals: readonly DueSignal[],
  options: FollowSignalsOptions,
  log: Logger,
): Promise<FollowedSignal[]> {
  const epochs = signals.map(({ epoch }) => epoch)
  const middle = (Math.min(...epochs) + Math.max(...epochs)) / 2
  const [older, newer] = [signals.filter(({ epoch }) => epoch < middle), signals.filter(({ epoch }) => epoch >= middle)]
  if (older.length === 0) return signals.map(ended)
  return [...(await follow(older, options, log)), ...(await follow(newer, options, log))]
}

async function candlesFor(
  signals: readonly DueSignal[],
  market: FollowSignalsOptions['market'],
): Promise<CandleSeries> {
  const [{ symbol, interval }] = signals as [DueSignal]
  const knownAt = signals.map(({ knownAtMs }) => Math.ceil(knownAtMs / 1000))
  const request: CandleRequest = {
    symbol,
    interval: measuredOn(interval),
    last: null,
    earlier: 0,
    from: Math.min(...signals.map(({ epoch }) => epoch)),
    to: Math.max(...knownAt) + longestMeasuredSeconds,
    adjustment: 'SPLITS',
    extendedHours: false,
  }
  const [series] = await market.candles([request])
  if (series === undefined || series instanceof Error) throw series
  return series
}

function measured(signals: readonly DueSignal[], series: CandleSeries, nowSeconds: number): FollowedSignal[] {
  const { interval, sessions: hours, nodes: candles, stale, failure } = series
  const asOf = nowSeconds - settleSeconds
  const measureBy = (time: number) => measurer({ interval, hours, candles, asOf: time, isWhole: !stale })
  const [measure, measureSettled] = [measureBy(asOf), measureBy(asOf - unsettledSeconds)]
  return signals.map((signal) => {
    const { outcome, nextAt } = measure(signal)
    // A candle that a value was measured on may still be corrected.
    const settledAt = nextAt === null ? measureSettled(signal).nextAt : null
    const lookAt = settledAt === null ? nextAt : settledAt + unsettledSeconds
    if (failure?.code === 'SYMBOL_NOT_FOUND' || lookAt === null) return { signal, outcome, followAtMs: null }
    const retryAt = retryAtMs(signal, nowSeconds)
    const nextAtMs = Math.ceil((lookAt > asOf ? lookAt : nowSeconds) + settleSeconds) * 1000
    return { signal, outcome, followAtMs: retryAt && (stale ? Math.max(nextAtMs, retryAt) : nextAtMs) }
  })
}

/** No more will become known about the signal. */
const ended = (signal: DueSignal): FollowedSignal => ({ signal, outcome: null, followAtMs: null })

/** null: it has been retried for long enough. */
const retryAtMs = ({ knownAtMs }: DueSignal, nowSeconds: number): number | null =>
  nowSeconds > knownAtMs / 1000 + givesUpAfterSeconds ? null : Math.ceil(nowSeconds + retrySeconds) * 1000
