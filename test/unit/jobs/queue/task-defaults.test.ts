import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLInputObjectType, printType } from 'graphql'
import type { Task } from '../../../../src/jobs/queue/define-task.ts'
import { analysisTask } from '../../../../src/jobs/tasks/analysis.ts'
import { backfillTask } from '../../../../src/jobs/tasks/backfill.ts'
import { backtestTask } from '../../../../src/jobs/tasks/backtest.ts'
import { dailyReportTask } from '../../../../src/jobs/tasks/daily-report.ts'
import { schema } from '../../../../src/schema/index.ts'

/** Their services are not called. */
const none = {} as never
const tasks: readonly (readonly [string, Task])[] = [
  ['EnqueueAnalysisInput', analysisTask(none)],
  ['EnqueueBackfillInput', backfillTask(none)],
  ['EnqueueBacktestInput', backtestTask(none)],
  ['EnqueueDailyReportInput', dailyReportTask(none)],
]

for (const [name, task] of tasks) {
  test(`what a client gets that leaves ${name} as it is are the defaults of the task`, () => {
    const type = schema.getType(name)
    assert.ok(type instanceof GraphQLInputObjectType)
    const printed = printType(type)
    const of = (field: string): string | undefined => new RegExp(`^  ${field}: .* = (\\w+)$`, 'm').exec(printed)?.[1]
    const { priority, maxAttempts, timeoutSeconds } = task.defaults
    assert.deepEqual(
      [of('priority'), of('maxAttempts'), of('timeoutSeconds')],
      [priority, String(maxAttempts), String(timeoutSeconds)],
    )
  })
}
