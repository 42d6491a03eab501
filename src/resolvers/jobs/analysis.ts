import type { AnalysisResult, SymbolFailure } from '../../domain/analysis/analysis.ts'
import { badInput } from '../../domain/errors.ts'
import type { Job } from '../../domain/job.ts'
import { dayMs } from '../../domain/time/units.ts'
import { type JobInput, parseJobInput } from '../../jobs/job-inputs.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue, type Optional } from './enqueue.ts'

/** Times are in epoch milliseconds. */
export type EnqueueAnalysisInput = EnqueueInput & JobInput<'ANALYSIS'> & Optional<{ runAt: number }>

export interface AnalysisJobResult extends AnalysisResult {
  readonly kind: 'ANALYSIS'
}

export const enqueueAnalysis = (
  _root: unknown,
  { input }: { input: EnqueueAnalysisInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('ANALYSIS', input, context, () => ({
    input: parseJobInput('ANALYSIS', input),
    runAtMs: checkedRunAt(input.runAt ?? null, context),
  }))

/** A time in the past means at once. Throws BAD_USER_INPUT when it is too far ahead. */
function checkedRunAt(runAt: number | null, { jobLimits: { runAtWithinDays } }: Context): number | null {
  if (runAt === null || runAt <= Date.now() + runAtWithinDays * dayMs) return runAt
  throw badInput(`runAt may be at most ${runAtWithinDays} days ahead`, 'runAt')
}

export async function analysisResult({ id }: Job, { loaders }: Context): Promise<AnalysisJobResult> {
  const [analyses, stored] = await Promise.all([loaders.analysesOfJob(id), loaders.jobResult(id)])
  const { failures } = stored as { readonly failures: readonly SymbolFailure[] }
  return { kind: 'ANALYSIS', analyses, failures }
}
