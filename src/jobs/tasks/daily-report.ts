import type { FindingsInput } from '../../analysis/symbol-findings.ts'
import type { SymbolFindings } from '../../domain/analysis/analysis.ts'
import type { DailyReport } from '../../domain/analysis/daily-report.ts'
import type { Signal, SignalKey } from '../../domain/analysis/signal.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { Instrument } from '../../domain/instrument.ts'
import { anonymousOwner } from '../../domain/job.ts'
import { closedAt } from '../../domain/sessions/closed-at.ts'
import { dayMs } from '../../domain/time/units.ts'
import type { MarketService } from '../../market/market-service.ts'
import type { CpuPool } from '../../platform/concurrency/cpu-pool.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import type { AnalysisStore } from '../../store/analyses/analysis-store.ts'
import { jobDescriptions } from '../job-inputs.ts'
import type { JobService } from '../job-service.ts'
import { defineTask, type Task } from '../queue/define-task.ts'
import type { Schedule } from '../queue/schedule.ts'
import { dailyReportText, dateOf, type Reported } from './daily-report-text.ts'
import { eachPiece } from './each-piece.ts'
import { isReportTime, reportBeforeMs, reportCron } from './report-times.ts'
import { computeFindings, findingsInput } from './symbol-analysis.ts'

/** A report made this soon after it was due still finds the prices of that time, or nearly. */
const punctualMs = 900_000
const indices = ['^GSPC', '^IXIC', '^DJI']
/** Used when the source does not say how many decimals a price has. */
const usualDecimals = 2

/** What the job saves for one symbol. */
interface Day {
  readonly findings: SymbolFindings
  readonly previousClose: number | null
}

/**
 * Reports on the day of several symbols, and stores the analyses that the report uses. Fails when no symbol has data.
 */
export function dailyReportTask(services: {
  market: MarketService
  cpu: CpuPool
  analyses: AnalysisStore
  slots: FairSlots
  watchList: readonly string[]
  now: () => number
}): Task {
  const { market, cpu, analyses, slots, watchList, now } = services
  return defineTask({
    kind: 'DAILY_REPORT',
    ...jobDescriptions.DAILY_REPORT,
    async run({ symbols, untilMs }, context) {
      const asked = symbols ?? [...new Set([...indices, ...watchList])]
      const endMs = untilMs ?? now()
      const pieces = asked.map((symbol) => ({ name: symbol, symbol }))
      const { results, failures } = await eachPiece(pieces, slots, context, async ({ symbol }): Promise<Day> => {
        const days = await daysUntil(market, symbol, untilMs, now())
        const findings = await computeFindings(cpu, days, context.signal)
        return { findings, previousClose: days.candles.close.at(-2) ?? null }
      })
      const [failure] = failures
      if (failure && results.size === 0) throw new FinstageError(failure.code, failure.message)
      const instruments = await instrumentsOf(market, [...results.keys()])
      const reported = asked.flatMap((symbol): Reported[] => {
        const day = results.get(symbol)
        if (!day) return []
        const known = instruments.get(symbol)
        return [{ ...summary(day, endMs), name: known?.name ?? null, decimals: known?.priceDecimals ?? usualDecimals }]
      })
      const report = { ...reportOf(reported), failures, text: '' }
      const result: DailyReport = { ...report, text: dailyReportText(report.date, reported, failures) }
      const found = reported.map(({ findings }) => findings)
      return { result, write: (client, jobId) => analyses.insert(client, jobId, found) }
    },
  })
}

/** Queues a report after each session of New York: half days and holidays, summer and winter time by its calendar. */
export function dailyReports({ jobs }: { jobs: Pick<JobService, 'enqueue'> }): Schedule {
  return {
    name: 'daily_report',
    cron: reportCron,
    makeUpHours: 12,
    async run(dueAtMs) {
      if (!isReportTime(dueAtMs)) return
      await jobs.enqueue({
        // The job is due by the database's clock: the clock of the worker that queues it may be fast.
        kind: 'DAILY_REPORT',
        owner: anonymousOwner,
        runAtMs: dueAtMs,
        input: { symbols: null, untilMs: dueAtMs },
        idempotencyKey: `daily report ${new Date(dueAtMs).toISOString()}`,
      })
    },
  }
}

/**
 * A symbol's newest days before a time; null: now. For a time in the past it leaves out the day that ended later, since
 * that day's candle has later prices.
 */
async function daysUntil(
  market: MarketService,
  symbol: string,
  untilMs: number | null,
  nowMs: number,
): Promise<FindingsInput> {
  if (untilMs === null) return findingsInput(market, symbol, 'DAY_1', null)
  const until = Math.ceil(untilMs / 1000)
  const days = await findingsInput(market, symbol, 'DAY_1', until)
  const newest = days.candles.epoch.at(-1)
  const isPast = nowMs > untilMs + punctualMs
  const endedLater = newest !== undefined && isPast && closedAt(newest, 'DAY_1', days.sessions) > until
  return endedLater ? findingsInput(market, symbol, 'DAY_1', newest) : days
}

function summary({ findings, previousClose }: Day, endMs: number): Omit<Reported, 'name' | 'decimals'> {
  const { symbol, price, sentiment } = findings
  const sinceMs = isReportTime(endMs) ? reportBeforeMs(endMs) : endMs - daysSinceLast(endMs) * dayMs
  const newSignals = findings.signals.filter(({ knownAtMs }) => knownAtMs > sinceMs && knownAtMs <= endMs)
  const [strongest = null] = newSignals.toSorted((a, b) => b.strength - a.strength)
  return {
    symbol,
    price,
    sentiment,
    findings,
    newSignals,
    changePercent:
      previousClose === null || previousClose <= 0 ? null : (100 * (price - previousClose)) / previousClose,
    strongest: strongest && keyOf(strongest),
  }
}

/** How many days ago the last working day was. */
function daysSinceLast(endMs: number): number {
  const weekday = new Date(endMs).getUTCDay()
  return weekday === 1 ? 3 : weekday === 0 ? 2 : 1
}

function reportOf(reported: readonly Reported[]): Pick<DailyReport, 'date' | 'markets' | 'newSignals'> {
  const asOfMs = Math.max(...reported.map(({ findings }) => findings.asOfMs))
  return {
    date: dateOf({ asOfMs }),
    markets: reported.map(({ symbol, price, changePercent, sentiment, strongest }) => ({
      symbol,
      price,
      changePercent,
      sentiment,
      strongest,
    })),
    newSignals: reported.flatMap(({ newSignals }) => newSignals.map(keyOf)),
  }
}

/** The instruments that the source knows. A report does without the others. */
async function instrumentsOf(market: MarketService, symbols: readonly string[]): Promise<Map<string, Instrument>> {
  const found = new Map<string, Instrument>()
  const one = async (symbol: string): Promise<void> => {
    const { instrument } = await market.listing(symbol)
    found.set(symbol, instrument)
  }
  await Promise.allSettled(symbols.map(one))
  return found
}

const keyOf = ({ symbol, interval, kind, epoch }: Signal): SignalKey => ({ symbol, interval, kind, epoch })
