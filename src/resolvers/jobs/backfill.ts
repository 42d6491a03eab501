import type { SymbolFailure } from '../../domain/analysis/analysis.ts'
import type { Job } from '../../domain/job.ts'
import { type JobInput, parseJobInput, requirePastRange } from '../../jobs/job-inputs.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue, type Optional } from './enqueue.ts'

/** Times are in epoch milliseconds. */
export type EnqueueBackfillInput = EnqueueInput &
  Pick<JobInput<'BACKFILL'>, 'symbols' | 'interval'> & { readonly from: number } & Optional<{ to: number }>

export interface BackfillJobResult {
  readonly kind: 'BACKFILL'
  readonly candleCount: number
  readonly fromMs: number | null
  readonly toMs: number | null
  readonly failures: readonly SymbolFailure[]
}

interface StoredBackfill {
  readonly candleCount: number
  readonly fromEpoch: number | null
  readonly toEpoch: number | null
  readonly failures: readonly SymbolFailure[]
}

export const enqueueBackfill = (
  _root: unknown,
  { input: given }: { input: EnqueueBackfillInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('BACKFILL', given, context, () => {
    const { from, to = null } = given
    const input = parseJobInput('BACKFILL', { ...given, fromMs: from, toMs: to })
    requirePastRange(input, Date.now())
    return { input, runAtMs: null }
  })

export async function backfillResult({ id }: Job, { loaders }: Context): Promise<BackfillJobResult> {
  const { candleCount, fromEpoch, toEpoch, failures } = (await loaders.jobResult(id)) as StoredBackfill
  return { kind: 'BACKFILL', candleCount, fromMs: inMs(fromEpoch), toMs: inMs(toEpoch), failures }
}

const inMs = (epoch: number | null): number | null => (epoch === null ? null : epoch * 1000)
