import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { EnqueueRequest, Job, JobFailure, JobState } from '../../../src/domain/job.ts'
import { JobService } from '../../../src/jobs/job-service.ts'
import { CpuPool } from '../../../src/platform/concurrency/cpu-pool.ts'
import { createPool, type DatabasePool, persistently } from '../../../src/platform/database/pool.ts'
import { JobStore } from '../../../src/store/jobs/job-store.ts'
import { PostgresBus } from '../../../src/stream/postgres-bus.ts'
import { eventually, inTime } from '../clients/client.ts'
import { createTestDatabase } from '../database/database.ts'
import { silentLog } from '../log.ts'
import { type TestJob, testTables, testTasks } from './queue-tasks.ts'
import type { Question, Reply, WorkerOptions } from './queue-worker.ts'

const owner = 'tester'
const patienceMs = 60_000

export interface QueueWorker {
  readonly pid: number
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  readonly hasExited: () => boolean
  kill(signal: NodeJS.Signals): void
  /** `ok`, or why it is not ready. */
  check(): Promise<string>
  /** The sum of all series of this name whose labels include `labels`. */
  metric(name: string, labels?: string): Promise<number>
  /** Everything that it has logged. */
  readonly log: () => string
}

export interface Effect {
  readonly job: string
  readonly attempt: number
  readonly pid: number
  readonly what: string
  /** Epoch milliseconds. */
  readonly atMs: number
}

export interface StoredJob {
  readonly id: string
  readonly state: JobState
  readonly attempt: number
  readonly failures: number
  readonly losses: number
  readonly failure: JobFailure | null
  readonly result: { readonly attempt: number; readonly pid: number } | null
  /** The states it was in. */
  readonly states: readonly JobState[]
  /** The attempts that left something in `visible`. */
  readonly visible: readonly number[]
  readonly parts: number
  readonly input: TestJob
}

type Order = Partial<Pick<EnqueueRequest, 'kind' | 'priority' | 'maxAttempts' | 'timeoutSeconds' | 'runAtMs'>>

/** A queue with its API side in this process, and workers in processes of their own. */
export class TestQueue implements AsyncDisposable {
  readonly jobs: JobService
  readonly #url: string
  readonly #pool: DatabasePool
  readonly #bus: PostgresBus
  readonly #workers: QueueWorker[] = []
  readonly #drop: () => Promise<void>

  private constructor(url: string, drop: () => Promise<void>) {
    this.#url = url
    this.#drop = drop
    this.#pool = createPool(url, silentLog, { max: 2, patienceMs })
    this.#bus = new PostgresBus({ connectionString: url, pool: this.#pool, log: silentLog })
    const tasks = testTasks({ pool: this.#pool, cpu: new CpuPool(silentLog) })
    this.jobs = new JobService({ store: new JobStore(this.#pool), bus: this.#bus, tasks })
  }

  /** On a migrated database, by default one of its own in the Postgres of this run. */
  static async open(url?: string): Promise<TestQueue> {
    const database = url === undefined ? await createTestDatabase() : null
    const queue = new TestQueue(url ?? database?.url ?? '', async () => database?.[Symbol.asyncDispose]())
    await queue.query(testTables)
    await queue.#bus.start()
    return queue
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const { rows } = await persistently(() => this.#pool.query<Row>(sql, values), patienceMs)
    return rows
  }

  async enqueue(input: TestJob, order: Order = {}): Promise<string> {
    const { job } = await this.jobs.enqueue({
      ...{ kind: 'ANALYSIS', owner, input, runAtMs: null, idempotencyKey: null },
      ...order,
    })
    return job.id
  }

  enqueueAll(inputs: readonly TestJob[], order: Order = {}): Promise<string[]> {
    return Promise.all(inputs.map((input) => this.enqueue(input, order)))
  }

  async cancel(id: string): Promise<JobState | 'notFound'> {
    const answer = await this.jobs.cancel(id, owner)
    if (answer.outcome === 'notFound') return 'notFound'
    return answer.outcome === 'done' ? answer.job.state : answer.state
  }

  /** Follows a job to its end: every state that a follower receives. */
  async follow(id: string): Promise<{ told: JobState[]; ended: Promise<void> }> {
    const updates = await this.jobs.follow(id, owner)
    assert.ok(updates)
    const told: JobState[] = []
    const read = async (): Promise<void> => {
      for await (const job of updates as AsyncIterable<Job>) told.push(job.state)
    }
    return { told, ended: read() }
  }

  async startWorker(options: Omit<WorkerOptions, 'url'> = {}): Promise<QueueWorker> {
    const worker = await startWorker({ url: this.#url, ...options })
    this.#workers.push(worker)
    return worker
  }

  async effects(what?: string): Promise<Effect[]> {
    return this.query<Effect & pg.QueryResultRow>(
      `SELECT job, attempt, pid, what, extract(epoch FROM at)::float8 * 1000 AS "atMs" FROM effects
       WHERE $1::text IS NULL OR what = $1 ORDER BY at`,
      [what ?? null],
    )
  }

  async stored(): Promise<StoredJob[]> {
    return this.query<StoredJob & pg.QueryResultRow>(
      `SELECT id, state, attempt, failures, losses, failure, result, input,
         (SELECT array_agg(entry ->> 'state' ORDER BY place)
          FROM jsonb_array_elements(history) WITH ORDINALITY AS entries(entry, place)) AS states,
         (SELECT coalesce(array_agg(visible.attempt), '{}') FROM visible WHERE job = jobs.id) AS visible,
         (SELECT count(*)::int FROM finstage.job_parts WHERE job_id = jobs.id) AS parts
       FROM finstage.jobs ORDER BY position`,
    )
  }

  async job(id: string): Promise<StoredJob> {
    const found = (await this.stored()).find((job) => job.id === id)
    assert.ok(found)
    return found
  }

  /** Waits until attempt number `attempt` of a job has begun. */
  async begun(id: string, attempt = 1, deadlineMs = 20_000): Promise<Effect> {
    let found: Effect | undefined
    await eventually(
      async () => {
        found = (await this.effects('begun')).find((effect) => effect.job === id && effect.attempt === attempt)
        return found !== undefined
      },
      `attempt ${attempt} of a job begins`,
      deadlineMs,
    )
    return found as Effect
  }

  /** The queue entries of jobs: graphile-worker's rows. */
  carriers(): Promise<{ jobId: string; lockedBy: string | null }[]> {
    return this.query(
      `SELECT payload ->> 'jobId' AS "jobId", locked_by AS "lockedBy" FROM graphile_worker._private_jobs`,
    )
  }

  async workerCount(): Promise<number> {
    const [row] = await this.query<{ count: number }>('SELECT count(*)::int FROM finstage.workers')
    return row?.count ?? 0
  }

  /**
   * Waits until all jobs have ended, no queue entry is left and as many workers are registered as live; with `workers: false`
   * their number does not matter. Fails where a job was lost or left two results. Resolves with the jobs.
   */
  async settled(deadlineMs = 30_000, options: { workers?: boolean } = {}): Promise<StoredJob[]> {
    const alive = this.#workers.filter((worker) => !worker.hasExited()).length
    const rest = async (): Promise<string> => {
      const open = (await this.stored()).filter(({ state }) => ['QUEUED', 'RUNNING', 'RETRYING'].includes(state))
      const carriers = await this.carriers()
      const workers = options.workers === false ? alive : await this.workerCount()
      if (open.length === 0 && carriers.length === 0 && workers === alive) return ''
      return JSON.stringify({ open, carriers, workers, alive })
    }
    await eventually(async () => (await rest()) === '', rest, deadlineMs)
    const jobs = await this.stored()
    for (const job of jobs) assertConsistent(job)
    // Each attempt records its beginning once.
    const begun = (await this.effects('begun')).map(({ job, attempt }) => `${job} ${attempt}`)
    assert.equal(new Set(begun).size, begun.length, 'no attempt is run twice')
    return jobs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) worker.kill('SIGKILL')
    await Promise.all(this.#workers.map(({ exited }) => exited))
    this.jobs.stop()
    await this.#bus.stop()
    await this.#pool.end()
    await this.#drop()
  }
}

/** A job that succeeded has the result of its newest attempt alone; any other job has none. */
function assertConsistent(job: StoredJob): void {
  const { id, state, attempt, result, states, visible, parts } = job
  const about = JSON.stringify(job)
  const endings = states.filter((each) => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(each))
  assert.deepEqual(endings, [state], `job ${id} ends once: ${about}`)
  assert.equal(states.at(-1), state, about)
  if (state !== 'SUCCEEDED') {
    assert.deepEqual([result, visible], [null, []], `job ${id} shows nothing: ${about}`)
    return
  }
  assert.equal(result?.attempt, attempt, about)
  assert.deepEqual(visible, job.input.writes || job.input.act === 'freeze' ? [attempt] : [], about)
  assert.equal(parts, 0, `job ${id} keeps no parts: ${about}`)
}

async function startWorker(options: WorkerOptions): Promise<QueueWorker> {
  const program = fileURLToPath(new URL('./queue-worker.ts', import.meta.url))
  // The worker dies with this process, however that ends, even while it is stopped.
  const args = ['--pdeathsig=KILL', '--', process.execPath, program, JSON.stringify(options)]
  const child = spawn('setpriv', args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  let log = ''
  let ended = false
  child.stderr?.on('data', (chunk) => (log += chunk))
  const exited = once(child, 'exit').then(([code, signal]) => {
    ended = true
    return (code ?? signal) as number | NodeJS.Signals
  })
  const waiting = new Map<number, (answer: string) => void>()
  const started = Promise.withResolvers<void>()
  child.on('message', (reply: Reply) => {
    if ('started' in reply) started.resolve()
    else waiting.get(reply.id)?.(reply.answer)
  })
  void exited.then((code) => started.reject(new Error(`the worker ended before it had started (${code}): ${log}`)))
  await started.promise
  let asked = 0
  const ask = (question: Question): Promise<string> => {
    const answer = Promise.withResolvers<string>()
    waiting.set(++asked, answer.resolve)
    child.send({ id: asked, question })
    return inTime(answer.promise, `an answer to ${question}`)
  }
  return {
    pid: child.pid ?? 0,
    exited,
    hasExited: () => ended,
    kill: (signal) => child.kill(signal),
    check: () => ask('check'),
    async metric(name, labels = '') {
      const lines = (await ask('metrics')).split('\n')
      const series = lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      const wanted = series.filter((line) => line.includes(labels))
      return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    },
    log: () => log,
  }
}
