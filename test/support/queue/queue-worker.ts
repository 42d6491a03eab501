import { Registry } from 'prom-client'
import type { JobKind, JobState } from '../../../src/domain/job.ts'
import { JobRunner } from '../../../src/jobs/queue/runner.ts'
import { CpuPool } from '../../../src/platform/concurrency/cpu-pool.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { LibraryFallbacks } from '../../../src/platform/library-fallbacks.ts'
import { createLogger } from '../../../src/platform/logger.ts'
import type { Topic } from '../../../src/stream/bus.ts'
import { PostgresBus } from '../../../src/stream/postgres-bus.ts'
import { testTasks } from './queue-tasks.ts'

/** A worker process with the tasks of queue-tasks.ts: like the role `worker`, and it answers questions of its parent. */
export interface WorkerOptions {
  readonly url: string
  /** The kinds of job that it runs. */
  readonly kinds?: readonly JobKind[]
  /** It kills itself when it is about to publish this state: it is stored then, and graphile-worker does not know yet. */
  readonly diesBeforeTelling?: JobState
  /** The name of a statement, as `job succeed`: the first one is carried out, and its answer lost. */
  readonly losesAnswerOf?: string
}

export type Question = 'metrics' | 'check'
export type Reply = { readonly started: true } | { readonly id: number; readonly answer: string }

const { url, kinds, diesBeforeTelling, losesAnswerOf } = JSON.parse(process.argv[2] ?? '') as WorkerOptions
const log = createLogger('warn')
const pool = createPool(url, log, { max: 5, patienceMs: 60_000 })
const otherPool = createPool(url, log, { max: 2 })
const bus = new PostgresBus({ connectionString: url, pool: otherPool, log })
const cpu = new CpuPool(log)
const registry = new Registry()

if (diesBeforeTelling) {
  const publish = bus.publish.bind(bus) as (topic: Topic, message: unknown) => void
  bus.publish = (topic: Topic, message: unknown) => {
    if (topic === 'job' && (message as { state: JobState }).state === diesBeforeTelling) {
      process.kill(process.pid, 'SIGKILL')
    }
    publish(topic, message)
  }
}

if (losesAnswerOf) {
  const query = pool.query.bind(pool) as (...given: unknown[]) => Promise<unknown>
  let lost = false
  pool.query = (async (...given: unknown[]) => {
    const answer = await query(...given)
    if (lost || (given[0] as { name?: string }).name !== losesAnswerOf) return answer
    lost = true
    throw new Error('Connection terminated unexpectedly')
  }) as typeof pool.query
}

const runner = new JobRunner({
  ...{ pool, bus, log, registry, tasks: testTasks({ pool, cpu }, kinds) },
  fallbacks: new LibraryFallbacks(registry, log),
  schedules: [],
  agingSeconds: 600,
  mostWaiting: 1000,
})

const send = (reply: Reply): void => {
  process.send?.(reply)
}

async function answer(question: Question): Promise<string> {
  if (question === 'metrics') return registry.metrics()
  await otherPool.query('SELECT 1')
  if (!bus.connected) throw new Error('the bus is not connected')
  await runner.check()
  return 'ok'
}

process.on('message', async ({ id, question }: { id: number; question: Question }) => {
  send({ id, answer: await answer(question).catch((error: Error) => error.message) })
})
process.on('SIGTERM', async () => {
  try {
    await runner.stop()
    await pool.end()
    await cpu.stop()
    await bus.stop()
    await otherPool.end()
    process.exit(0)
  } catch (error) {
    log.fatal({ err: error }, 'not everything stopped cleanly')
    process.exit(1)
  }
})
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    log.fatal({ err: error }, event)
    process.exit(1)
  })
}

await bus.start()
await runner.start()
send({ started: true })
