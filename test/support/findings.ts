import { z } from 'zod'
import { type IndicatorSnapshot, type SymbolFindings, snapshotFields } from '../../src/domain/analysis/analysis.ts'
import type { Signal } from '../../src/domain/analysis/signal.ts'
import { defineTask, type Task } from '../../src/jobs/queue/define-task.ts'
import { type DatabasePool, transaction } from '../../src/platform/database/pool.ts'
import type { AnalysisStore } from '../../src/store/analyses/analysis-store.ts'
import type { SignalStore } from '../../src/store/analyses/signal-store.ts'

const daySeconds = 86_400
let days = 20_000

/** A signal of a day that no other has, unless said otherwise; known at 21:00 UTC. */
export function signalOf(fields: Partial<Signal> = {}): Signal {
  const epoch = fields.epoch ?? days++ * daySeconds
  return {
    ...{ source: 'YAHOO', symbol: 'AAPL', interval: 'DAY_1', kind: 'GOLDEN_CROSS', direction: 'BULLISH' },
    ...{ epoch, knownAtMs: (epoch + 75_600) * 1000, price: 100.25, indicatorValue: 99.5, strength: 1.5, ...fields },
  }
}

/** Findings whose indicators have values of their own. */
export function findingsOf(symbol: string, fields: Partial<SymbolFindings> = {}): SymbolFindings {
  const indicators = Object.fromEntries(snapshotFields.map((field, i) => [field, i + 0.5])) as IndicatorSnapshot
  return {
    ...{ symbol, source: 'YAHOO', interval: 'DAY_1', asOfMs: 1_700_000_000_000, price: 100.25 },
    ...{ trend: 'UP', sentiment: 'BULLISH', score: 4, indicators, signals: [], ...fields },
  }
}

/** An analysis that has found what the test says: the input is the findings. */
export const findingsTask = (analyses: AnalysisStore): Task =>
  defineTask({
    kind: 'ANALYSIS',
    input: z.array(z.custom<SymbolFindings>()),
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 30 },
    run: async (findings) => ({
      result: { failures: [] },
      write: (client, jobId) => analyses.insert(client, jobId, findings),
    }),
  })

export const storeSignals = (pool: DatabasePool, store: SignalStore, signals: readonly Signal[]): Promise<void> =>
  transaction(pool, (client) => store.insert(client, signals))
