import type { DailyReport, MarketSummary } from '../../domain/analysis/daily-report.ts'
import type { StoredSignal } from '../../domain/analysis/signal.ts'
import { boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue } from '../job.ts'

const maxSymbols = 100

export interface EnqueueDailyReportInput extends EnqueueInput {
  readonly symbols?: readonly string[] | null | undefined
}

export interface DailyReportJobResult extends DailyReport {
  readonly kind: 'DAILY_REPORT'
}

export const enqueueDailyReport = (
  _root: unknown,
  { input }: { input: EnqueueDailyReportInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('DAILY_REPORT', input, context, () => ({
    input: {
      symbols: input.symbols == null ? null : boundedList(input.symbols, maxSymbols, 'symbols'),
      untilMs: null,
    },
    runAtMs: null,
  }))

/** Without those that are no longer stored. */
export async function reportSignals(
  { newSignals }: Pick<DailyReport, 'newSignals'>,
  _args: unknown,
  context: Context,
): Promise<StoredSignal[]> {
  const found = await context.loaders.signal.loadMany(newSignals)
  return found.flatMap((signal) => {
    if (signal instanceof Error) throw signal
    return signal ?? []
  })
}

export const strongestSignal = (
  { strongest }: MarketSummary,
  _args: unknown,
  context: Context,
): Promise<StoredSignal | null> | null => strongest && context.loaders.signal.load(strongest)
