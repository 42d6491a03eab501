import type { CandleStore } from '../store/candle-store.ts'
import type { Schedule } from './schedule.ts'

/** Every night, candles under a day that are older than `retentionDays` are deleted. Days are kept for good. */
export function pruneCandles(options: { candles: CandleStore; retentionDays: number; now: () => number }): Schedule {
  return {
    name: 'prune_candles',
    cron: '17 3 * * *',
    makeUpHours: 24,
    async run(_dueAtMs, log) {
      const before = Math.floor(options.now() / 1000) - options.retentionDays * 86_400
      const deleted = await options.candles.prune(before)
      log.info({ deleted, retentionDays: options.retentionDays }, 'old candles deleted')
    },
  }
}
