import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SymbolFindings } from '../../../../src/domain/analysis/analysis.ts'
import type { DailyReport } from '../../../../src/domain/analysis/daily-report.ts'
import type { Signal } from '../../../../src/domain/analysis/signal.ts'
import type { Candle, CandleRequest } from '../../../../src/domain/candle.ts'
import { calendarOf } from '../../../../src/domain/exchange-calendar/calendars.ts'
import type { TaskContext } from '../../../../src/jobs/queue/define-task.ts'
import { dailyReports, dailyReportTask } from '../../../../src/jobs/tasks/daily-report.ts'
import { isReportTime } from '../../../../src/jobs/tasks/report-times.ts'
import { FairSlots } from '../../../../src/platform/concurrency/fair-slots.ts'
import { findingsOf, signalOf } from '../../../support/findings.ts'
import { silentLog } from '../../../support/log.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const daySeconds = 86_400

interface World {
  readonly nowMs: number
  readonly closes: number
  /** What is found in the candles before `to`. */
  readonly findings: (to: number | null) => Partial<SymbolFindings>
}

/** Reports on one symbol that trades round the clock, every day, until a time. */
async function report(untilMs: number | null, { nowMs, closes, findings }: World) {
  const asked: CandleRequest[] = []
  const day = (epoch: number): Candle => ({
    ...{ epoch, open: 1, high: 1, low: 1, close: epoch / daySeconds, volume: null },
    closed: (epoch + daySeconds) * 1000 <= nowMs,
  })
  const market = {
    async candles([request]: readonly [CandleRequest]) {
      asked.push(request)
      const end = Math.min(request.to ?? Number.POSITIVE_INFINITY, nowMs / 1000 + 1)
      const newest = (Math.ceil(end / daySeconds) - 1) * daySeconds
      const nodes = [2, 1, 0].map((ago) => day(newest - ago * daySeconds))
      const sessions = { timezone: 'UTC', opens: 0, closes }
      return [{ source: 'YAHOO', sessions, nodes, hasEarlier: true, stale: false, failure: null }]
    },
    listings: async () => new Map(),
  }
  const cpu = {
    run: async (_module: URL, _name: string, { candles }: { candles: { epoch: Float64Array; close: Float64Array } }) =>
      findingsOf('A', {
        ...{ asOfMs: Number(candles.epoch.at(-1)) * 1000, price: Number(candles.close.at(-1)), signals: [] },
        ...findings(asked.at(-1)?.to ?? null),
      }),
  }
  const task = dailyReportTask({
    ...({ market, cpu, analyses: {} } as unknown as Parameters<typeof dailyReportTask>[0]),
    ...{ slots: new FairSlots(1), watchList: [], now: () => nowMs },
  })
  const context: TaskContext = {
    ...{ jobId: 'job', signal: new AbortController().signal, log: silentLog, isLast: true, progress: () => {} },
    ...{ savedParts: async () => new Map(), savePart: async () => {} },
  }
  const { result } = await task.run({ symbols: ['A'], untilMs }, context)
  return { report: result as DailyReport, asked }
}

test('the reports of working days share out all signals: each is in one, those of weekends in that of Monday', async () => {
  const signals = Array.from({ length: 16 * 24 }, (_, i): Signal => {
    const knownAtMs = Date.UTC(2025, 2, 7, 22) + i * hourMs
    return signalOf({ symbol: 'A', knownAtMs, epoch: knownAtMs / 1000 })
  })
  const reportedIn = new Map<number, number[]>()
  const fridayMs = Date.UTC(2025, 2, 7, 21, 30)
  for (let dueMs = fridayMs; dueMs < fridayMs + 15 * dayMs; dueMs += dayMs) {
    const weekday = new Date(dueMs).getUTCDay()
    if (weekday === 0 || weekday === 6) continue
    const world = { nowMs: dueMs + 5000, closes: daySeconds, findings: () => ({ signals }) }
    const { newSignals } = (await report(dueMs, world)).report
    for (const { epoch } of newSignals) reportedIn.set(epoch, [...(reportedIn.get(epoch) ?? []), weekday])
  }
  const lastMs = Date.UTC(2025, 2, 21, 21, 30)
  const due = signals.filter(({ knownAtMs }) => knownAtMs <= lastMs)
  assert.deepEqual(
    due.map(({ epoch }) => reportedIn.get(epoch)?.length),
    due.map(() => 1),
  )
  for (const { epoch, knownAtMs } of due) {
    const weekday = new Date(knownAtMs + 2.5 * hourMs).getUTCDay()
    assert.deepEqual(reportedIn.get(epoch), [weekday === 6 || weekday === 0 ? 1 : weekday])
  }
})

test('a report that is asked for on a weekend goes back to the same time on Friday', async () => {
  for (const [now, since] of [
    ['2025-03-15T12:00:00Z', '2025-03-14T12:00:00Z'],
    ['2025-03-16T12:00:00Z', '2025-03-14T12:00:00Z'],
    ['2025-03-17T12:00:00Z', '2025-03-14T12:00:00Z'],
    ['2025-03-18T12:00:00Z', '2025-03-17T12:00:00Z'],
  ] as const) {
    const times = [Date.parse(since), Date.parse(since) + 1000, Date.parse(now), Date.parse(now) + 1000]
    const signals = times.map((knownAtMs) => signalOf({ symbol: 'A', knownAtMs, epoch: knownAtMs / 1000 }))
    const world = { nowMs: Date.parse(now), closes: daySeconds, findings: () => ({ signals }) }
    const { newSignals } = (await report(null, world)).report
    assert.deepEqual(
      newSignals.map(({ epoch }) => epoch * 1000),
      times.slice(1, 3),
      now,
    )
  }
})

test('one that is made when it is due has the day that runs, and made up for later the last that was over by then', async () => {
  const dueMs = Date.UTC(2025, 2, 12, 21, 30)
  const world = { closes: daySeconds, findings: () => ({}) }
  const date = async (lateMs: number, closes: number): Promise<string> =>
    (await report(dueMs, { ...world, nowMs: dueMs + lateMs, closes })).report.date
  assert.equal(await date(60_000, daySeconds), '2025-03-12')
  assert.equal(await date(2 * hourMs, daySeconds), '2025-03-11')
  assert.equal(await date(11 * hourMs, daySeconds), '2025-03-11')
  // Where the session was over by then, it does not matter when the report is made.
  assert.equal(await date(11 * hourMs, 21 * 3600), '2025-03-12')
})

test('the scheduled report is of half an hour after a session of New York, half days and summer time included', async () => {
  const asked: unknown[] = []
  const schedule = dailyReports({ jobs: { enqueue: async (request) => asked.push(request) as never } })
  assert.deepEqual([schedule.cron, schedule.makeUpHours], ['30 17,18,20,21 * * 1-5', 12])
  const run = (dueMs: number) => schedule.run(dueMs, silentLog, new AbortController().signal)
  for (const hour of [17, 18, 20, 21]) await run(Date.UTC(2025, 2, 12, hour, 30))
  assert.deepEqual(asked, [
    {
      ...{ kind: 'DAILY_REPORT', owner: 'anonymous', runAtMs: Date.UTC(2025, 2, 12, 20, 30) },
      input: { symbols: null, untilMs: Date.UTC(2025, 2, 12, 20, 30) },
      idempotencyKey: 'daily report 2025-03-12T20:30:00.000Z',
    },
  ])
})

/** When reports are due by the ticks of the schedule. */
const duesOf = (from: string, to: string): string[] => {
  const dues: string[] = []
  for (let dayStart = Date.parse(from); dayStart < Date.parse(to); dayStart += dayMs) {
    if (new Date(dayStart).getUTCDay() % 6 === 0) continue
    const ticks = [17.5, 18.5, 20.5, 21.5].map((hour) => dayStart + hour * hourMs)
    dues.push(...ticks.filter(isReportTime).map((ms) => new Date(ms).toISOString().slice(0, 16)))
  }
  return dues
}

test('each session of New York has one report after its close, and a holiday none', () => {
  assert.deepEqual(duesOf('2026-11-24', '2026-12-01'), [
    ...['2026-11-24T21:30', '2026-11-25T21:30', '2026-11-27T18:30', '2026-11-30T21:30'],
  ])
  assert.deepEqual(duesOf('2025-07-02', '2025-07-08'), ['2025-07-02T20:30', '2025-07-03T17:30', '2025-07-07T20:30'])
  const years = duesOf('2025-01-01', '2029-01-01')
  const sessions =
    calendarOf('NYQ')?.sessions(Date.UTC(2025, 0, 1) / 1000, Date.UTC(2029, 0, 1) / 1000) ?? assert.fail()
  const expected = sessions.map(({ closes }) => new Date(closes * 1000 + 30 * 60_000).toISOString().slice(0, 16))
  assert.deepEqual(years, expected)
  // Years that nobody has published.
  assert.deepEqual(duesOf('2031-07-03', '2031-07-08'), ['2031-07-03T21:30', '2031-07-04T21:30', '2031-07-07T21:30'])
})

test('scheduled reports share out all signals over holidays, half days and changes of the clock', async () => {
  for (const [from, to] of [
    ['2026-11-23', '2026-12-03'],
    ['2025-03-05', '2025-03-13'],
    ['2025-07-01', '2025-07-09'],
  ] as const) {
    const dues = duesOf(from, to).map((text) => Date.parse(`${text}Z`))
    const [first = 0, last = 0] = [dues[0], dues.at(-1)]
    const signals = Array.from({ length: (last - first) / hourMs }, (_, i): Signal => {
      const knownAtMs = first + (i + 1) * hourMs
      return signalOf({ symbol: 'A', knownAtMs, epoch: knownAtMs / 1000 })
    })
    const reported: number[] = []
    for (const dueMs of dues.slice(1)) {
      const world = { nowMs: dueMs + 5000, closes: daySeconds, findings: () => ({ signals }) }
      reported.push(...(await report(dueMs, world)).report.newSignals.map(({ epoch }) => epoch))
    }
    assert.deepEqual(
      reported,
      signals.map(({ epoch }) => epoch),
      from,
    )
  }
})
