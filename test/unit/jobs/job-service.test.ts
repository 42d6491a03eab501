import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FinstageError } from '../../../src/domain/errors.ts'
import { changeOf, type Job } from '../../../src/domain/job.ts'
import { type JobNews, JobService } from '../../../src/jobs/job-service.ts'
import type { JobStore } from '../../../src/store/jobs/job-store.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'

const jobOf = (id: string, revision: number, changed: Partial<Job> = {}): Job => ({
  ...{ id, position: 1, kind: 'ANALYSIS', owner: 'ada', priority: 'NORMAL', state: 'QUEUED', progress: 0, attempt: 0 },
  ...{ maxAttempts: 1, timeoutSeconds: 1, input: null, queuedAtMs: 0, runAtMs: 0, startedAtMs: null, failures: 0 },
  ...{ finishedAtMs: null, failure: null, changedAtMs: 1, revision },
  ...changed,
})

/** A service whose jobs are what was told of them last. */
function open() {
  const jobs = new Map<string, Job>()
  const store = {
    nowMs: async () => 0,
    histories: async (ids: readonly string[]) => ids.map((id) => ({ job: jobs.get(id) ?? assert.fail(), states: [] })),
  } as unknown as JobStore
  const bus = new LocalBus()
  const service = new JobService({ store, bus, tasks: [] })
  const tell = (job: Job): void => {
    jobs.set(job.id, job)
    bus.publish('job', changeOf(job))
  }
  return { service, tell }
}

/** Until the stream ends, or what was told has been read. */
async function readAll(stream: AsyncIterable<JobNews>): Promise<JobNews[]> {
  const read: JobNews[] = []
  for await (const news of stream) read.push(news)
  return read
}

test('for a reader of jobs no more than 10,000 states wait: it gets those and LIMIT_EXCEEDED, others get all', async () => {
  const { service, tell } = open()
  const slow = await service.followAll('ada')
  const quick = readAll(await service.followAll('ada'))
  for (let i = 0; i < 10_500; i++) {
    tell(jobOf(String(i), 0))
    await Promise.resolve()
  }
  await nextTurn()
  const read = await readAll(slow)
  const last = read.pop()
  assert.ok(last instanceof FinstageError)
  assert.deepEqual([last.code, last.details], ['LIMIT_EXCEEDED', { retryAfterSeconds: 0 }])
  const ids = (news: readonly JobNews[]): string[] => news.map((each) => (each as Job).id)
  assert.deepEqual(
    ids(read),
    Array.from({ length: 10_001 }, (_, i) => String(i)),
  )
  service.stop()
  assert.deepEqual(ids(await quick).length, 10_500)
})

test('progress alone never ends the stream of a reader, however much of it is told', async () => {
  const { service, tell } = open()
  const slow = await service.followAll('ada')
  tell(jobOf('a', 0))
  await nextTurn()
  for (let i = 1; i <= 30_000; i++) {
    tell(jobOf('a', i, { state: 'RUNNING', attempt: 1, progress: i / 30_000 }))
    if (i % 100 === 0) await nextTurn()
  }
  await nextTurn()
  const first = await slow.next()
  assert.equal((first.value as Job).state, 'QUEUED')
  let progress = 0
  while (progress < 1) progress = ((await slow.next()).value as Job).progress
  service.stop()
})
