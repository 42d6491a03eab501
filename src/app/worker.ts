import { JobRunner } from '../jobs/queue/runner.ts'
import { dailyReports } from '../jobs/tasks/daily-report.ts'
import { storeFirstSignals } from '../jobs/tasks/first-signals.ts'
import { pruneCandles } from '../jobs/tasks/prune-candles.ts'
import { pruneJobs } from '../jobs/tasks/prune-jobs.ts'
import { followSignals, seriesAtOnce } from '../jobs/tasks/signal-outcomes.ts'
import { createPool } from '../platform/database/pool.ts'
import { OutcomeStore } from '../store/analyses/outcome-store.ts'
import { JobStore } from '../store/jobs/job-store.ts'
import { jobPatience } from './connections.ts'
import { createFindings, createSlots, type SharedServices } from './shared-services.ts'

/** Runs jobs and schedules, on database connections that are reserved for them. */
export async function startWorker(shared: SharedServices): Promise<void> {
  const { config, role, log, stops, connections, connectionString, bus, source, market, tasks, jobs, registry, now } =
    shared
  const pool = createPool(connectionString, log, {
    max: connections.jobs,
    ...jobPatience,
    measured: { by: shared.database, as: 'jobs' },
  })
  stops.push(() => pool.end())
  const { signals, analyses } = createFindings(pool, source)
  const follow = followSignals({
    market,
    now,
    slots: createSlots(role, seriesAtOnce),
    outcomes: new OutcomeStore({ pool, source: source.name }),
  })
  const runner = new JobRunner({
    pool,
    bus,
    log,
    registry,
    fallbacks: shared.fallbacks,
    tasks,
    schedules: [
      pruneCandles({ candles: shared.candles.over(pool), signals, retentionDays: config.CANDLE_RETENTION_DAYS, now }),
      pruneJobs({ jobs: new JobStore(pool), analyses, bus, retentionDays: config.JOB_RETENTION_DAYS }),
      dailyReports({ jobs }),
      follow,
    ],
    agingSeconds: config.JOB_AGING_MINUTES * 60,
    mostWaiting: config.MAX_WAITING_JOBS,
  })
  stops.push(() => runner.stop())
  await runner.start()
  shared.health.add('queue', () => runner.check())

  // A demo has outcomes to show from its first minute. A database that others share is not for us to fill.
  if (source.name === 'SIMULATED' && config.DATABASE_URL === undefined) {
    const stopping = new AbortController()
    const filled = fillDemo()
    stops.push(() => {
      stopping.abort()
      return filled
    })
    async function fillDemo(): Promise<void> {
      try {
        const stored = await storeFirstSignals({ market, signals, pool, jobs }, stopping.signal)
        if (stored > 0) await follow.run(now(), log, stopping.signal)
      } catch (error) {
        if (!stopping.signal.aborted) log.warn({ err: error }, 'no first signals were stored')
      }
    }
  }
}
