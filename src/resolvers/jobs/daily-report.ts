import type { DailyReport, MarketSummary } from '../../domain/analysis/daily-report.ts'
import type { StoredSignal } from '../../domain/analysis/signal.ts'
import type { Job } from '../../domain/job.ts'
import { parseJobInput } from '../../jobs/job-inputs.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue, type Optional } from './enqueue.ts'

export type EnqueueDailyReportInput = EnqueueInput & Optional<{ symbols: readonly string[] }>

export interface DailyReportJobResult extends DailyReport {
  readonly kind: 'DAILY_REPORT'
}

export const enqueueDailyReport = (
  _root: unknown,
  { input: { symbols = null, ...given } }: { input: EnqueueDailyReportInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('DAILY_REPORT', given, context, () => ({
    input: parseJobInput('DAILY_REPORT', { symbols, untilMs: null }),
    runAtMs: null,
  }))

export const dailyReportResult = async ({ id }: Job, { loaders }: Context): Promise<DailyReportJobResult> => ({
  kind: 'DAILY_REPORT',
  ...((await loaders.jobResult(id)) as DailyReport),
})

/** Leaves out signals that are no longer stored. */
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
