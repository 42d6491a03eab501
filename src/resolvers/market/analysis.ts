import type { SymbolAnalysis } from '../../domain/analysis/analysis.ts'
import type { StoredSignal } from '../../domain/analysis/signal.ts'
import type { Instrument } from '../../domain/instrument.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { type Connection, connection, type PageArgs } from '../connection.ts'
import type { Context } from '../context.ts'

export interface AnalysesArgs extends PageArgs {
  readonly symbol: string
  readonly interval?: Interval | null | undefined
}

export const loadAnalysis = (id: string, context: Context): Promise<SymbolAnalysis | null> => context.analyses.find(id)

export const analyses = (_root: unknown, args: AnalysesArgs, context: Context): Promise<Connection<SymbolAnalysis>> =>
  connection(args, cursors, ({ after, limit }) => {
    const { symbol, interval = null } = args
    return context.analyses.list({ symbol, interval, before: after?.[0] ?? null, limit })
  })

const cursors = {
  name: 'analysis',
  placeOf: ({ position }: SymbolAnalysis) => [position] as const,
  placeLength: 1,
} as const

export const latestAnalysis = (
  { symbol }: Instrument,
  { interval }: { interval: Interval },
  { loaders }: Context,
): Promise<SymbolAnalysis | null> => loaders.latestAnalysis.load({ symbol, interval })

/** Without signals of intervals under a day that were deleted together with their candles. */
export const analysisSignals = (
  analysis: SymbolAnalysis,
  _args: unknown,
  { loaders }: Context,
): Promise<StoredSignal[]> => loaders.signalsOf(analysis)
