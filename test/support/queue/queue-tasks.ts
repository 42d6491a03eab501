import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger as PinoLogger } from 'pino'
import { z } from 'zod'
import { FinstageError } from '../../../src/domain/errors.ts'
import { type JobKind, jobKinds } from '../../../src/domain/job.ts'
import { defineTask, type Task, type TaskContext } from '../../../src/jobs/queue/define-task.ts'
import type { CpuPool } from '../../../src/platform/concurrency/cpu-pool.ts'
import { persistently } from '../../../src/platform/database/pool.ts'

/**
 * What a test job does, in its first `attempts`; in later ones it finishes at once.
 *
 * finish: takes `ms` and ignores its signal. wait: takes `ms`, or ends with its signal. deaf: never ends and ignores its signal.
 * spin: runs an endless loop in a thread. fail: throws. die: kills its worker. freeze: stops its worker (SIGSTOP) in the middle
 * of the transaction that makes the job SUCCEEDED.
 */
const input = z.object({
  act: z.enum(['finish', 'wait', 'deaf', 'spin', 'fail', 'die', 'freeze']).default('finish'),
  ms: z.number().default(0),
  attempts: z.number().default(1_000_000),
  /** Whether it leaves a row in `visible`, in the transaction that makes it SUCCEEDED. */
  writes: z.boolean().default(false),
  /** Whether it saves parts of its result on the way. */
  saves: z.boolean().default(false),
})

export type TestJob = Partial<z.infer<typeof input>>

/** `effects` records everything that tasks do, with its time. `visible` holds what a job leaves outside its own row. */
export const testTables = `
  CREATE TABLE effects (
    job uuid, attempt integer, pid integer, run integer, what text, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job, attempt, pid, run, what)
  );
  CREATE TABLE visible (job uuid, attempt integer)`

const spinModule = new URL('./queue-spin.ts', import.meta.url)

/** All kinds of job, doing what a test wants. */
export const testTasks = (services: { pool: pg.Pool; cpu: CpuPool }, kinds: readonly JobKind[] = jobKinds): Task[] =>
  kinds.map((kind) =>
    defineTask({
      kind,
      input,
      defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 120 },
      run: (job, context) => runTestJob(job, context, services),
    }),
  )

let runs = 0

async function runTestJob(
  job: z.infer<typeof input>,
  context: TaskContext,
  { pool, cpu }: { pool: pg.Pool; cpu: CpuPool },
): Promise<{ result: unknown; write?: (client: pg.PoolClient, jobId: string) => Promise<void> }> {
  const { jobId, signal, log, progress, savedParts, savePart } = context
  const { attempt } = (log as PinoLogger).bindings() as { attempt: number }
  const { pid } = process
  const run = ++runs
  // persistently() repeats a statement whose answer was lost, so the row may be there already.
  const effect = (what: string): Promise<unknown> =>
    persistently(
      () =>
        pool.query('INSERT INTO effects VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING', [
          ...[jobId, attempt, pid, run, what],
        ]),
      60_000,
    )
  await effect('begun')
  if (job.saves) {
    await savedParts()
    await savePart(`of attempt ${attempt}`, { attempt })
  }
  progress(0.5)
  const act = attempt > job.attempts ? 'finish' : job.act
  const ms = attempt > job.attempts ? 0 : job.ms
  const told = (): Promise<unknown> => effect(`told ${nameOf(signal.reason)}`)
  if (act === 'finish' && ms > 0) await sleep(ms)
  if (act === 'wait') {
    await sleep(ms, undefined, { signal }).catch(async () => {
      await told()
      throw signal.reason
    })
  }
  if (act === 'deaf') await new Promise(() => {})
  if (act === 'fail') throw new Error('meant to fail')
  if (act === 'die') process.kill(pid, 'SIGKILL')
  if (act === 'spin') {
    const count = new Int32Array(new SharedArrayBuffer(4))
    const turns = (): number => Atomics.load(count, 0)
    const looping = cpu.run<Int32Array, never>(spinModule, 'spin', count, signal)
    looping.catch(() => {})
    while (turns() === 0 && !signal.aborted) await sleep(10)
    await effect('loops')
    await looping.catch(async (error: unknown) => {
      await told()
      for (let looks = 0; looks < 50; looks++) {
        const before = turns()
        await sleep(100)
        if (turns() !== before) continue
        await effect('the loop has ended')
        break
      }
      throw error
    })
  }
  await effect('done')
  const write = async (client: pg.PoolClient): Promise<void> => {
    await client.query('INSERT INTO visible VALUES ($1, $2)', [jobId, attempt])
    if (act === 'freeze') process.kill(pid, 'SIGSTOP')
  }
  return { result: { attempt, pid }, ...(job.writes || job.act === 'freeze' ? { write } : {}) }
}

const nameOf = (reason: unknown): string => (reason instanceof FinstageError ? reason.code : String(reason))
