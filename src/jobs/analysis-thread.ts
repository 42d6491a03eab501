import { symbolFindings } from '../analysis/symbol-findings.ts'
import type { SymbolFindings } from '../domain/analysis.ts'
import type { FindingsInput } from './analysis.ts'

/** Runs in a thread: see analysis.ts. */
export const findings = ({ symbol, interval, candles }: FindingsInput): SymbolFindings =>
  symbolFindings(symbol, interval, candles)
