import type { AnalysisStore } from '../../store/analyses/analysis-store.ts'
import type { JobStore } from '../../store/jobs/job-store.ts'
import type { Bus } from '../../stream/bus.ts'
import type { Schedule } from '../queue/schedule.ts'

/**
 * Every night, deletes jobs that ended more than `retentionDays` ago, with their results, and makes jobs FAILED that no
 * worker has taken for as long. The newest analysis of each symbol and interval stays.
 */
export function pruneJobs(options: {
  jobs: JobStore
  analyses: AnalysisStore
  bus: Bus
  retentionDays: number
}): Schedule {
  const { jobs, analyses, bus, retentionDays } = options
  return {
    name: 'prune_jobs',
    cron: '37 3 * * *',
    makeUpHours: 24,
    async run(_dueAtMs, log) {
      const deleted = await jobs.prune(retentionDays)
      const expired = await jobs.expire(retentionDays)
      // There may be too many to publish one by one.
      if (expired > 0) bus.publish('jobsMissed', {})
      const deletedAnalyses = await analyses.prune()
      log.info({ deleted, expired, deletedAnalyses, retentionDays }, 'old jobs deleted')
    },
  }
}
