import type { AnalysisStore } from '../store/analysis-store.ts'
import type { JobStore } from '../store/job-store.ts'
import type { Schedule } from './schedule.ts'

/**
 * Every night, jobs that ended more than `retentionDays` ago are deleted, with their results. Of each symbol and interval the
 * newest analysis stays.
 */
export function pruneJobs(options: {
  jobs: JobStore
  analyses: AnalysisStore
  retentionDays: number
  now: () => number
}): Schedule {
  return {
    name: 'prune_jobs',
    cron: '37 3 * * *',
    makeUpHours: 24,
    async run(_dueAtMs, log) {
      const deleted = await options.jobs.prune(options.now() - options.retentionDays * 86_400_000)
      const deletedAnalyses = await options.analyses.prune()
      log.info({ deleted, deletedAnalyses, retentionDays: options.retentionDays }, 'old jobs deleted')
    },
  }
}
