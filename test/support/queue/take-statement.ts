import { Logger, runTaskListOnce } from 'graphile-worker'
import type pg from 'pg'
import type { WorkerStatement } from '../../../src/store/jobs/graphile-internals.ts'

const taskId = 7

/** The statement that the installed graphile-worker takes a job with, as it hands it to its client. */
export async function takeStatement(): Promise<WorkerStatement> {
  const sent: WorkerStatement[] = []
  const client = {
    async query(statement: WorkerStatement) {
      sent.push(statement)
      return { rows: statement.text.startsWith('select id, identifier') ? [{ id: taskId, identifier: 'task' }] : [] }
    },
  }
  const logger = new Logger(() => () => {})
  await runTaskListOnce({ logger, noHandleSignals: true }, { task: () => {} }, client as unknown as pg.PoolClient)
  // Told by its values, since names and text are what tests are about.
  const take = sent.find(({ values }) => JSON.stringify(values?.[1]) === JSON.stringify([taskId]))
  if (!take)
    throw new Error('graphile-worker no longer takes a job with a statement whose second value are the task ids')
  return take
}
