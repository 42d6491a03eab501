import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { FinstageError } from '../../../src/domain/errors.ts'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { owner, startQueue, type TestQueue, testTask, untilAborted } from '../../support/queue/queue.ts'

/** The value of one series; undefined where it is not told. `labels` as written: kind="ANALYSIS",code="TIMEOUT". */
async function told(queue: TestQueue, name: string, labels: string): Promise<number | undefined> {
  return valueIn(await queue.registry.metrics(), name, labels)
}

function valueIn(text: string, name: string, labels: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}{${labels}} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

const scripted = testTask(
  async ({ waits, code, until = 99, ms }, { signal, jobId }) => {
    const attempt = (attempts.get(jobId) ?? 0) + 1
    attempts.set(jobId, attempt)
    if (waits) await untilAborted(signal)
    if (ms) await new Promise((resolve) => setTimeout(resolve, Number(ms)))
    if (code && attempt <= Number(until)) throw new FinstageError(code as 'SOURCE_UNAVAILABLE', 'fails')
  },
  { defaults: { maxAttempts: 2 } },
)
const attempts = new Map<string, number>()
const start = (runs = true): Promise<TestQueue> => startQueue({ tasks: [scripted], random: () => -1, runs })
const makeOlder = async (queue: TestQueue, id: string, seconds: number): Promise<void> => {
  const earlier = `run_at = run_at - ${seconds} * interval '1 second'`
  await queue.pool.query(`UPDATE finstage.jobs SET ${earlier} WHERE id = $1`, [id])
  await queue.pool.query(`UPDATE graphile_worker._private_jobs SET ${earlier} WHERE payload ->> 'jobId' = $1`, [id])
}

test('what is due and waits is counted by the priority it was queued with, also once it has risen', async () => {
  await using queue = await start(false)
  const old = await queue.enqueue({ priority: 'LOW' })
  await queue.enqueue({ priority: 'LOW' })
  await queue.enqueue({ priority: 'HIGH' })
  await queue.enqueue({ priority: 'HIGH', runAtMs: Date.now() + 86_400_000 })
  await makeOlder(queue, old.id, 500)
  await queue.workers.rise(['ANALYSIS'], 200)
  const text = await queue.registry.metrics()
  const counts = ['CRITICAL', 'HIGH', 'NORMAL', 'LOW'].map((priority) =>
    valueIn(text, 'finstage_jobs_queued', `priority="${priority}"`),
  )
  assert.deepEqual(counts, [0, 1, 0, 2])
  // Of the same look.
  const oldest = valueIn(text, 'finstage_jobs_oldest_waiting_seconds', 'priority="LOW"') ?? 0
  assert.ok(oldest >= 500 && oldest < 520, `${oldest} s`)
  assert.equal(valueIn(text, 'finstage_jobs_oldest_waiting_seconds', 'priority="NORMAL"'), 0)
})

test('how long a job waited and how long it ran are told apart', async () => {
  await using queue = await start(false)
  const [waited, ran] = [await queue.enqueue({ priority: 'HIGH' }), await queue.enqueue({ input: { ms: 300 } })]
  await makeOlder(queue, waited.id, 60)
  await queue.runner.start()
  for (const { id } of [waited, ran]) await queue.ended(id)
  const text = await queue.registry.metrics()
  const wait = (priority: string): number | undefined =>
    valueIn(text, 'finstage_job_wait_seconds_sum', `kind="ANALYSIS",priority="${priority}"`)
  assert.ok((wait('HIGH') ?? 0) >= 60 && (wait('HIGH') ?? 99) < 75)
  assert.ok((wait('NORMAL') ?? 99) < 15)
  const labels = 'kind="ANALYSIS",outcome="succeeded"'
  const runs = valueIn(text, 'finstage_job_run_seconds_sum', labels) ?? 0
  assert.ok(runs >= 0.29 && runs < 10, `${runs} s`)
  assert.equal(valueIn(text, 'finstage_job_run_seconds_count', labels), 2)
})

test('attempts, what they led to, and failures by code are counted', async () => {
  await using queue = await start()
  const { id } = await queue.enqueue({ input: { code: 'SOURCE_UNAVAILABLE', until: 1 } })
  const failing = await queue.enqueue({ input: { code: 'SYMBOL_NOT_FOUND' } })
  for (const each of [id, failing.id]) await queue.ended(each)
  await settled(queue)
  assert.equal(await told(queue, 'finstage_job_attempts_total', 'kind="ANALYSIS"'), 3)
  for (const code of ['SOURCE_UNAVAILABLE', 'SYMBOL_NOT_FOUND']) {
    assert.equal(await told(queue, 'finstage_job_failures_total', `kind="ANALYSIS",code="${code}"`), 1)
  }
  for (const outcome of ['succeeded', 'retrying', 'failed']) {
    const labels = `kind="ANALYSIS",outcome="${outcome}"`
    assert.equal(await told(queue, 'finstage_job_run_seconds_count', labels), 1, outcome)
  }
})

const inFlight = (queue: TestQueue): Promise<number | undefined> =>
  told(queue, 'finstage_jobs_in_flight', 'kind="ANALYSIS"')
/** An attempt is counted as over a moment after its end was told. */
const settled = (queue: TestQueue): Promise<void> =>
  eventually(async () => (await inFlight(queue)) === 0, 'that nothing is in flight')

test('what is in flight is counted, and no longer after success, failure, a time-out and a cancellation', async () => {
  await using queue = await start()
  const [cancelled, late] = [
    await queue.enqueue({ input: { waits: true } }),
    await queue.enqueue({ input: { waits: true }, timeoutSeconds: 1, maxAttempts: 1 }),
  ]
  await eventually(async () => (await inFlight(queue)) === 2, 'two in flight')
  assert.equal((await queue.jobs.cancel(cancelled.id, owner)).outcome, 'done')
  await eventually(async () => (await inFlight(queue)) === 1, 'one in flight')
  assert.equal((await queue.ended(late.id)).failure?.code, 'TIMEOUT')
  await settled(queue)
  for (const input of [{}, { code: 'SYMBOL_NOT_FOUND' }, { code: 'SOURCE_UNAVAILABLE' }]) {
    await queue.ended((await queue.enqueue({ input })).id)
    await settled(queue)
  }
  const superseded = 'kind="ANALYSIS",outcome="superseded"'
  assert.equal(await told(queue, 'finstage_job_run_seconds_count', superseded), 1)
  assert.equal(await told(queue, 'finstage_job_failures_total', 'kind="ANALYSIS",code="TIMEOUT"'), 1)
  assert.equal(await told(queue, 'finstage_job_failures_total', 'kind="ANALYSIS",code="CANCELLED"'), undefined)
})

test('while the database is away a scrape is answered soon, with all but what only the database knows', async () => {
  await using database = await createTestDatabase()
  const proxy = await startProxy(database.url)
  const app = await startApp({ DATABASE_URL: proxy.url, MARKET_SOURCE: 'simulated' }, 'worker')
  const scrape = async (): Promise<{ status: number; text: string; tookMs: number }> => {
    const startMs = performance.now()
    const response = await fetch(`${app.metrics}/metrics`)
    return { status: response.status, text: await response.text(), tookMs: performance.now() - startMs }
  }
  const isThere = ({ text }: { text: string }): boolean => valueIn(text, 'finstage_jobs_queued', 'priority="LOW"') === 0
  try {
    assert.ok(isThere(await scrape()))
    await proxy.close()
    for (let i = 0; i < 2; i++) {
      const { status, text, tookMs } = await scrape()
      assert.equal(status, 200)
      assert.ok(tookMs < 3000, `${tookMs} ms`)
      assert.match(text, /^process_cpu_seconds_total /m)
      assert.equal(valueIn(text, 'finstage_jobs_queued', 'priority="LOW"'), undefined)
      assert.equal(valueIn(text, 'finstage_jobs_oldest_waiting_seconds', 'priority="LOW"'), undefined)
    }
    await proxy.open()
    await eventually(async () => isThere(await scrape()), 'what the database knows')
  } finally {
    await proxy.open()
    await app.stop()
    await proxy.close()
  }
})

/** A way to the database over TCP that can be closed: connections end, and new ones are refused. */
async function startProxy(url: string) {
  const directory = new URLSearchParams(url.split('?')[1]).get('host') ?? ''
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(`${directory}/.s.PGSQL.5432`)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `postgresql://postgres@127.0.0.1:${port}${new URL(url.replace('@/', '@host/')).pathname}`,
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async open() {
      if (server.listening) return
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}
