import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { EmbeddedPostgres } from '../../../src/platform/embedded-postgres/server.ts'
import { eventually, inTime, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { copyPostgres } from '../../support/database/own-postgres.ts'
import { runProcess, type ServerProcess, startProcess } from '../../support/process.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const directory = mkdtempSync(join(tmpdir(), 'finstage-data-'))
after(() => rmSync(directory, { recursive: true, force: true }))

/** Alone in its process, with a Postgres of its own. */
function startAlone(name: string, { isFirst = false } = {}): Promise<ServerProcess> {
  const dataDirectory = join(directory, name)
  if (!isFirst && !existsSync(dataDirectory)) copyPostgres(dataDirectory)
  return startProcess(['all'], { MARKET_SOURCE: 'simulated', DATA_DIR: dataDirectory })
}

const postgresOf = (name: string): number =>
  Number(readFileSync(join(directory, name, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

const enqueue = 'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { ... on EnqueuePayload { job { id } } } }'

async function enqueuedJob(api: string): Promise<string> {
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(api, enqueue)
  assert.ok(data)
  return data.enqueueAnalysis.job.id
}

test('SIGTERM under 100 subscribers closes every socket with 1001, exits with 0 and leaves no Postgres', async () => {
  await using server = await startAlone('term')
  const postgres = postgresOf('term')
  const codes: number[] = []
  const watching = Array.from({ length: 100 }, async () => {
    const socket = new WebSocket(`${server.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    socket.on('close', (code) => codes.push(code))
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })))
    await new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        if (String(data).includes('connection_ack')) {
          const query = 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }'
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
        } else resolve()
      })
    })
  })
  await inTime(Promise.all(watching), 'a price for each')
  server.kill('SIGTERM')
  assert.equal(await inTime(server.exited, 'the exit'), 0)
  await eventually(() => codes.length === 100, 'all sockets are closed')
  assert.deepEqual(new Set(codes), new Set([1001]))
  assert.equal(isAlive(postgres), false)
})

test('SIGTERM completes a stream over SSE, and cuts a WebSocket whose client no longer reads', async () => {
  await using server = await startAlone('slow')
  const response = await fetch(`${server.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }' }),
  })
  const text = response.text()
  const deaf = new WebSocket(`${server.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(deaf, 'open')
  deaf.pause()
  const toldMs = Date.now()
  server.kill('SIGTERM')
  assert.equal(await inTime(server.exited, 'the exit'), 0)
  assert.ok(Date.now() - toldMs < 10_000, `${Date.now() - toldMs} ms`)
  assert.match(await text, /event: next[\s\S]*event: complete/)
  deaf.terminate()
})

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`after ${signal} the next start finds its data, and no Postgres is left behind meanwhile`, async () => {
    const name = `kept-${signal}`
    const first = await startAlone(name)
    const id = await enqueuedJob(first.api)
    const postgres = postgresOf(name)
    first.kill(signal)
    assert.equal(await inTime(first.exited, 'the exit'), signal === 'SIGINT' ? 0 : 'SIGKILL')
    if (signal === 'SIGKILL') await eventually(() => !isAlive(postgres), 'Postgres stops by itself')
    assert.equal(isAlive(postgres), false)

    await using second = await startAlone(name)
    const { data } = await post<{ job: { id: string } | null }>(
      second.api,
      'query ($id: ID!) { job(id: $id) { id } }',
      { id },
    )
    assert.equal(data?.job?.id, id)
  })
}

test('after a kill -9 of both the server and its Postgres the next start finds its data', async () => {
  const first = await startAlone('both')
  const id = await enqueuedJob(first.api)
  process.kill(postgresOf('both'), 'SIGKILL')
  first.kill('SIGKILL')
  await first.exited
  await using second = await startAlone('both')
  const { data } = await post<{ job: { id: string } | null }>(second.api, 'query ($id: ID!) { job(id: $id) { id } }', {
    id,
  })
  assert.equal(data?.job?.id, id)
})

test('a second server on the same data refuses to start and says why, and the first goes on', async () => {
  await using first = await startAlone('shared')
  await assert.rejects(startAlone('shared'), /is in use by a running Postgres/)
  assert.ok(await enqueuedJob(first.api))
})

test('api, worker and ingest work as three processes on one database: a job queued at one is run by another, and its updates and live prices reach the client', async () => {
  await using database = await createTestDatabase({ empty: true })
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }
  const [api, worker, ingest] = await Promise.all(
    ['api', 'worker', 'ingest'].map((role) => startProcess([role], settings)),
  )
  assert.ok(api && worker && ingest)
  await using _stop = {
    [Symbol.asyncDispose]: async () => {
      for (const server of [api, worker, ingest]) server.kill('SIGTERM')
      assert.deepEqual(await Promise.all([api.exited, worker.exited, ingest.exited]), [0, 0, 0])
    },
  }
  const symbols = ['AAPL', 'MSFT', 'GOOGL', 'AMZN', 'TSLA', 'META', 'NVDA', '^GSPC', 'NOPE', 'GC=F']
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(
    api.api,
    'mutation ($s: [Symbol!]!) { enqueueAnalysis(input: { symbols: $s }) { ... on EnqueuePayload { job { id } } } }',
    { s: symbols },
  )
  interface Update {
    jobUpdates: { state: string; result: { analyses: unknown[]; failures: { symbol: string; code: string }[] } | null }
  }
  await using updates = subscribe<Update>(
    api.api,
    `subscription ($id: ID) { jobUpdates(id: $id) { state
      result { ... on AnalysisResult { analyses { symbol } failures { symbol code } } } } }`,
    { id: data?.enqueueAnalysis.job.id },
  )
  const { jobUpdates } = await updates.until((update) => update.jobUpdates.state === 'SUCCEEDED')
  assert.equal(jobUpdates.result?.analyses.length, 9)
  assert.deepEqual(jobUpdates.result.failures, [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND' }])

  await using prices = subscribe<{ priceUpdates: { kind: string; seq: number } }>(
    api.api,
    'subscription { priceUpdates(symbols: ["AAPL"]) { kind seq } }',
  )
  const first = (await prices.next()).data?.priceUpdates
  assert.equal(first?.kind, 'SNAPSHOT')
  for (let i = 1; i <= 3; i++)
    assert.deepEqual((await prices.next()).data?.priceUpdates, { kind: 'TICK', seq: first.seq + i })
  for (const { metrics } of [worker, ingest]) assert.equal((await fetch(`${metrics}/readyz`)).status, 200)
})

test('when the leading ingest is killed another takes over, and its prices start anew with a SNAPSHOT', async () => {
  await using database = await createTestDatabase()
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }
  await using api = await startProcess(['api'], settings)
  const leader = await startProcess(['ingest'], settings)
  await eventually(() => leader.stderr().includes('the feed leads'), 'the first leads')
  await using _standby = await startProcess(['ingest'], settings)
  await using prices = subscribe<{ priceUpdates: { kind: string; seq: number } }>(
    api.api,
    'subscription { priceUpdates(symbols: ["AAPL"]) { kind seq } }',
  )
  await prices.until(({ priceUpdates }) => priceUpdates.seq >= 3)
  leader.kill('SIGKILL')
  await leader.exited
  const { priceUpdates } = await prices.until((data) => data.priceUpdates.kind === 'SNAPSHOT')
  assert.equal(priceUpdates.seq, 1)
  await prices.until((data) => data.priceUpdates.kind === 'TICK' && data.priceUpdates.seq === 2)
})

test('while the database is away, readyz names it; the server is ready again when it is back', async () => {
  copyPostgres(join(directory, 'away'))
  const postgres = new EmbeddedPostgres(join(directory, 'away'), () => {})
  await postgres.start()
  await using server = await startProcess(['api'], {
    DATABASE_URL: postgres.connectionString,
    MARKET_SOURCE: 'simulated',
  })
  const ready = async () => {
    const response = await fetch(`${server.metrics}/readyz`)
    const { checks } = (await response.json()) as { checks: Record<string, string> }
    return { status: response.status, checks }
  }
  assert.deepEqual(await ready(), { status: 200, checks: { database: 'ok', bus: 'ok' } })
  await postgres.stop()
  const during = await ready()
  assert.equal(during.status, 503)
  assert.notEqual(during.checks.database, 'ok')
  assert.equal(during.checks.bus, 'not connected')
  const toEverybody = await fetch(`${server.api}/readyz`)
  assert.deepEqual(
    [toEverybody.status, await toEverybody.json()],
    [503, { status: 'not ready', checks: { database: 'not ready', bus: 'not ready' } }],
    "the API's port tells no reasons",
  )
  assert.equal((await fetch(`${server.api}/healthz`)).status, 200)
  await postgres.start()
  await eventually(async () => (await ready()).status === 200, 'ready again')
  server.kill('SIGTERM')
  assert.equal(await inTime(server.exited, 'the exit'), 0)
  await postgres.stop()
})

for (const [what, place] of [
  ['a symbolic link to a file', (victim, log) => symlinkSync(victim, log)],
  ['a symbolic link to nothing', (victim, log) => symlinkSync(`${victim}.new`, log)],
  ['another name of a file', (victim, log) => linkSync(victim, log)],
  ['a pipe', (_victim, log) => execFileSync('mkfifo', [log])],
  ['a directory', (_victim, log) => mkdirSync(log)],
] as readonly (readonly [string, (victim: string, log: string) => void])[]) {
  test(`where postgres.log is ${what}, the start is refused, the message says why, and nothing is written through it`, async () => {
    const dataDirectory = mkdtempSync(join(directory, 'log-'))
    const victim = join(dataDirectory, 'victim')
    writeFileSync(victim, 'precious')
    mkdirSync(join(dataDirectory, 'postgres'))
    writeFileSync(join(dataDirectory, 'postgres', 'PG_VERSION'), '18\n')
    const log = join(dataDirectory, 'postgres.log')
    place(victim, log)
    const postgres = new EmbeddedPostgres(dataDirectory, () => {})
    await assert.rejects(inTime(postgres.start(), 'the refusal'), {
      message: `${log} has to be a plain file, not a link or anything else: remove it`,
    })
    assert.equal(readFileSync(victim, 'utf8'), 'precious')
    assert.equal(existsSync(`${victim}.new`), false)
  })
}

test('api, worker, ingest and migrate refuse to start without DATABASE_URL', async () => {
  for (const role of ['api', 'worker', 'ingest', 'migrate']) {
    for (const environment of [{}, { DATABASE_URL: '' }]) {
      const { exited, stderr } = runProcess([role], environment)
      assert.equal(await inTime(exited, 'the exit'), 1)
      assert.match(stderr(), new RegExp(`${role} .*DATABASE_URL`))
    }
  }
})

test('a HOST that is not known to be loopback starts with AUTH=open, and the log warns of it', async () => {
  await using database = await createTestDatabase()
  // Another way to write 127.0.0.1.
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', HOST: '127.1' }
  await assert.rejects(startProcess(['api'], settings), /HOST=127\.1 is refused: .*AUTH=open/)
  await using server = await startProcess(['api'], { ...settings, AUTH: 'open' })
  const warning = server
    .stderr()
    .split('\n')
    .find((line) => line.includes('AUTH=open'))
  assert.equal((JSON.parse(warning ?? '{}') as { level?: number }).level, 40)
})

test('migrate brings an empty database to the newest layout and exits with 0, and so when it is run again', async () => {
  await using database = await createTestDatabase({ empty: true })
  for (let i = 0; i < 2; i++) {
    const { exited, stderr } = runProcess(['migrate'], { DATABASE_URL: database.url })
    assert.equal(await inTime(exited, 'the exit'), 0, stderr())
  }
  assert.deepEqual(await database.query('SELECT count(*)::int AS jobs FROM finstage.jobs'), [{ jobs: 0 }])
})

test('a wrong or misspelt setting, an unknown role and a port in use stop the start, and the message names them', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.after(() => blocker.close())
  await new Promise((resolve) => blocker.once('listening', resolve))
  const port = String((blocker.address() as { port: number }).port)
  await using database = await createTestDatabase()
  const cases: [string[], Record<string, string>, RegExp][] = [
    [['all'], { PORT: 'http' }, /PORT="http" is wrong/],
    [['all'], { MARKET_SOURCE: 'bloomberg' }, /MARKET_SOURCE="bloomberg" is wrong: one of yahoo, simulated/],
    [['all'], { METRIC_PORT: '9000' }, /METRIC_PORT is not a setting: did you mean METRICS_PORT\?/],
    [['all'], { DATABASE_URL: 'mysql://me:secret@db/x' }, /DATABASE_URL=\*\*\* is wrong/],
    [['everything'], {}, /everything is no role/],
    [['api'], { DATABASE_URL: database.url, PORT: port }, new RegExp(`port ${port} is in use: set PORT`)],
    [['api'], { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }, /DATABASE_URL .*ECONNREFUSED/],
    [['all'], { DATA_DIR: '/dev/null' }, /DATA_DIR=\/dev\/null: /],
    [['api'], { DATABASE_URL: database.url, HOST: '0.0.0.0' }, /HOST=0\.0\.0\.0 is refused: .*AUTH=open/],
    [
      ['api'],
      { DATABASE_URL: database.url, HOST: '203.0.113.1', AUTH: 'open' },
      /HOST=203\.0\.113\.1 .*can't be listened on/,
    ],
  ]
  for (const [args, environment, sentence] of cases) {
    const { exited, stderr } = runProcess(args, environment)
    assert.equal(await inTime(exited, 'the exit'), 1)
    assert.match(stderr(), sentence)
    assert.doesNotMatch(stderr(), /secret/)
  }
})

test('--help names every role and every setting', async () => {
  const { exited, stdout } = runProcess(['--help'], {})
  assert.equal(await exited, 0)
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const settings = [
    ...new Set(
      readFileSync(new URL('../../../src/app/config.ts', import.meta.url), 'utf8').match(/^ {2}[A-Z_]+(?=:)/gm),
    ),
  ]
  assert.ok(settings.length >= 10)
  for (const name of [...settings.map((setting) => setting.trim()), 'all', 'api', 'worker', 'ingest', 'migrate']) {
    assert.ok(stdout().includes(name), name)
    assert.ok(readme.includes(name), `README: ${name}`)
  }
})

test('the commands that the server prints at its start work as printed', async () => {
  await using server = await startAlone('welcome', { isFirst: true })
  await eventually(() => server.stdout().includes('Ctrl-C stops everything'), 'the welcome')
  const commands = server
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('  curl '))
  assert.equal(commands.length, 3)
  const outputs = await Promise.all(
    commands.map(
      (command) =>
        new Promise<string>((resolve) => {
          execFile('sh', ['-c', `timeout 3 ${command.trim()}`], (_, stdout) => resolve(stdout))
        }),
    ),
  )
  assert.match(outputs[0] ?? '', /"price":[\d.]+.*"source":"SIMULATED"/)
  assert.match(outputs[1] ?? '', /"state":"QUEUED"/)
  assert.match(outputs[2] ?? '', /"kind":"SNAPSHOT"[\s\S]*"kind":"TICK"/)
  for (const address of [/GraphiQL {2}(\S+)/, /Metrics {3}(\S+)/]) {
    const url = address.exec(server.stdout())?.[1] ?? ''
    assert.equal((await fetch(url, { headers: { accept: 'text/html' } })).status, 200)
  }
})

test('candles that a server stores from one source are not served by a server on another', async () => {
  await using yahoo = await startTestYahoo()
  await using database = await createTestDatabase()
  const query = '{ candles(symbol: "AAPL", last: 5) { source nodes { close } } }'
  const answers: string[] = []
  for (const settings of [{ MARKET_SOURCE: 'simulated' }, { MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahoo.url }]) {
    await using server = await startProcess(['all'], { DATABASE_URL: database.url, ...settings })
    const { data } = await post<{ candles: { source: string } }>(server.api, query)
    answers.push(data?.candles.source ?? '')
  }
  assert.deepEqual(answers, ['SIMULATED', 'YAHOO'])
})
