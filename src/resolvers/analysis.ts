import type { SymbolAnalysis } from '../domain/analysis.ts'
import type { Context } from './context.ts'

export const loadAnalysis = (id: string, context: Context): Promise<SymbolAnalysis | null> => context.analyses.find(id)
