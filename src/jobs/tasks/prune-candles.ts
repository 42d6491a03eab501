import { daySeconds } from '../../domain/time/units.ts'
import type { SignalStore } from '../../store/analyses/signal-store.ts'
import type { CandleStore } from '../../store/candles/candle-store.ts'
import type { Schedule } from '../queue/schedule.ts'

/**
 * Every night, deletes intraday candles that are older than `retentionDays`, and their signals. Daily candles stay
 * forever.
 */
export function pruneCandles(options: {
  candles: CandleStore
  signals: SignalStore
  retentionDays: number
  now: () => number
}): Schedule {
  return {
    name: 'prune_candles',
    cron: '17 3 * * *',
    makeUpHours: 24,
    async run(_dueAtMs, log) {
      const before = Math.floor(options.now() / 1000) - options.retentionDays * daySeconds
      const deleted = await options.candles.prune(before)
      const deletedSignals = await options.signals.prune(before)
      log.info({ deleted, deletedSignals, retentionDays: options.retentionDays }, 'old candles deleted')
    },
  }
}
