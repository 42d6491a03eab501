import type { BacktestResult } from '../../domain/analysis/backtest.ts'
import type { Job } from '../../domain/job.ts'
import { type JobInput, parseJobInput, requirePastRange } from '../../jobs/job-inputs.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue, type Optional } from './enqueue.ts'

/** Times are in epoch milliseconds. */
export type EnqueueBacktestInput = EnqueueInput &
  Omit<JobInput<'BACKTEST'>, 'fromMs' | 'toMs' | 'stopLoss' | 'takeProfit'> &
  Optional<{ from: number; to: number; stopLoss: number; takeProfit: number }>

export interface BacktestJobResult extends BacktestResult {
  readonly kind: 'BACKTEST'
}

export interface EquityPoint {
  readonly epoch: number
  readonly equity: number
}

export const enqueueBacktest = (
  _root: unknown,
  { input: given }: { input: EnqueueBacktestInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('BACKTEST', given, context, () => {
    const { from = null, to = null, stopLoss = null, takeProfit = null } = given
    const asked = { ...given, fromMs: from, toMs: to, stopLoss, takeProfit }
    const input = parseJobInput('BACKTEST', asked)
    requirePastRange(input, Date.now())
    return { input, runAtMs: null }
  })

export const backtestResult = async ({ id }: Job, { loaders }: Context): Promise<BacktestJobResult> => ({
  kind: 'BACKTEST',
  ...((await loaders.jobResult(id)) as BacktestResult),
})

export const equityPoints = ({ curve: { epoch, equity } }: BacktestResult): EquityPoint[] =>
  epoch.map((each, i) => ({ epoch: each, equity: equity[i] as number }))
