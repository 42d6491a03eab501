import type { JobStore } from '../store/job-store.ts'
import type { Schedule } from './schedule.ts'

/** Every night, jobs that ended more than `retentionDays` ago are deleted, with their results. */
export function pruneJobs(options: { jobs: JobStore; retentionDays: number; now: () => number }): Schedule {
  return {
    name: 'prune_jobs',
    cron: '37 3 * * *',
    makeUpHours: 24,
    async run(_dueAtMs, log) {
      const deleted = await options.jobs.prune(options.now() - options.retentionDays * 86_400_000)
      log.info({ deleted, retentionDays: options.retentionDays }, 'old jobs deleted')
    },
  }
}
