import type { MarketService } from '../../market/market-service.ts'
import type { CpuPool } from '../../platform/concurrency/cpu-pool.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import type { AnalysisStore } from '../../store/analyses/analysis-store.ts'
import { jobDescriptions } from '../job-inputs.ts'
import { defineTask, type Task } from '../queue/define-task.ts'
import { eachPiece } from './each-piece.ts'
import { computeFindings, findingsInput } from './symbol-analysis.ts'

/** Computes and stores indicators, trend, sentiment and signals of many symbols. */
export function analysisTask(services: {
  market: MarketService
  analyses: AnalysisStore
  slots: FairSlots
  cpu: CpuPool
}): Task {
  const { market, analyses, slots, cpu } = services
  return defineTask({
    kind: 'ANALYSIS',
    ...jobDescriptions.ANALYSIS,
    async run({ symbols, interval }, context) {
      const pieces = symbols.map((symbol) => ({ name: symbol, symbol }))
      const { results, failures } = await eachPiece(pieces, slots, context, async ({ symbol }) =>
        computeFindings(cpu, await findingsInput(market, symbol, interval, null), context.signal),
      )
      const found = symbols.flatMap((symbol) => results.get(symbol) ?? [])
      return { result: { failures }, write: (client, jobId) => analyses.insert(client, jobId, found) }
    },
  })
}
