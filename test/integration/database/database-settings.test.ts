import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { OwnConnection } from '../../../src/platform/database/own-connection.ts'
import { createPool, transaction } from '../../../src/platform/database/pool.ts'
import { startApp } from '../../support/app.ts'
import { inTime, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { startOwnPostgres } from '../../support/database/own-postgres.ts'
import { silentLog } from '../../support/log.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const jobCount = 40
const runCount = 12

/** What a role or a database may be set to, of all that a connection inherits and something of ours relies on; and what it is for us. */
const inherited: readonly (readonly [setting: string, ours: string])[] = [
  ["default_transaction_isolation = 'serializable'", 'read committed'],
  ["default_transaction_isolation = 'repeatable read'", 'read committed'],
  ['default_transaction_deferrable = on', 'off'],
  ["datestyle = 'SQL, DMY'", 'ISO, MDY'],
  ["datestyle = 'German'", 'ISO, MDY'],
  ["intervalstyle = 'sql_standard'", 'postgres'],
  ["timezone = 'Australia/Lord_Howe'", 'UTC'],
  ['extra_float_digits = -15', '1'],
  ["client_encoding = 'LATIN1'", 'UTF8'],
  ["bytea_output = 'escape'", 'hex'],
  ['standard_conforming_strings = off', 'on'],
  ['array_nulls = off', 'on'],
  ["search_path = 'nowhere'", 'public'],
  ["statement_timeout = '100ms'", '5s'],
  ["lock_timeout = '1ms'", '0'],
  ["idle_in_transaction_session_timeout = '1ms'", '4s'],
  ["idle_session_timeout = '300ms'", '0'],
  ["transaction_timeout = '100ms'", '0'],
]

const postgres = await startOwnPostgres()
const yahoo = await startTestYahoo()
after(async () => {
  await postgres[Symbol.asyncDispose]()
  await yahoo.close()
})

interface Update {
  readonly jobUpdates: { readonly id: string; readonly state: string; readonly input?: unknown }
}

const candleQuery =
  '{ candles(symbol: "AAPL", last: 200, adjustment: SPLITS_AND_DIVIDENDS) { stale nodes { time open close } } }'

suite('settings that a connection would inherit', { concurrency: 1 }, () => {
  for (const [i, [setting, ours]] of inherited.entries()) {
    // By turns: what is set for the role goes before what is set for the database.
    const isOfRole = i % 2 === 0
    test(`with ALTER ${isOfRole ? 'ROLE' : 'DATABASE'} ... SET ${setting}, jobs are queued, run and told of from process to process, and candles stored and read, as ever`, async () => {
      const role = `app_${i}`
      const url = await postgres.createDatabase(role)
      const name = /\/(\w+)\?/.exec(url)?.[1]
      await postgres.query(`ALTER ${isOfRole ? `ROLE ${role}` : `DATABASE ${name}`} SET ${setting}`)
      const parameter = setting.split(' ')[0] ?? ''
      const pool = createPool(url, silentLog, { statementTimeoutMs: 5000 })
      assert.deepEqual((await pool.query(`SELECT current_setting('${parameter}') AS value`)).rows, [{ value: ours }])
      await pool.end()
      const own = new OwnConnection(url, 'test')
      await own.open()
      const { rows } = await own.client.query(`SELECT current_setting('${parameter}') AS value`)
      assert.deepEqual(rows, [{ value: parameter === 'statement_timeout' ? '0' : ours }])
      await own.close()
      const settings = { DATABASE_URL: url, YAHOO_BASE_URL: yahoo.url }
      await using api = await startApp(settings, 'api')
      await using _worker = await startApp(settings, 'worker')
      await using updates = subscribe<Update>(api.api, 'subscription { jobUpdates { id state } }')
      const firstUpdate = updates.next()

      const enqueueOne = (_: unknown, place: number) =>
        post<{ enqueueAnalysis: { job: { id: string } } }>(
          api.api,
          `mutation ($key: String!) { enqueueAnalysis(input: { symbols: ["AAPL", "M\\u0053FT"], idempotencyKey: $key }) {
            ... on EnqueuePayload { job { id } } } }`,
          // Every second time with characters that no narrow encoding has.
          { key: `${place % 2 ? 'Schlüssel €' : 'key'} '\\ ${place}` },
        )
      const queued = await Promise.all(Array.from({ length: jobCount }, enqueueOne))
      for (const { data, errors } of queued) assert.ok(data?.enqueueAnalysis?.job.id, JSON.stringify(errors))
      const done = new Set<string>()
      const see = ({ jobUpdates: { id, state } }: Update): boolean => {
        assert.ok(['QUEUED', 'RUNNING', 'SUCCEEDED'].includes(state), state)
        if (state === 'SUCCEEDED') done.add(id)
        return done.size >= runCount
      }
      const { data } = await firstUpdate
      if (data) see(data)
      await updates.until(see)

      const fresh = await post(api.api, candleQuery)
      assert.equal(fresh.errors, undefined, JSON.stringify(fresh.errors))
      yahoo.fault('chart', { status: 500 }, Number.POSITIVE_INFINITY)
      const stored = await post(api.api, candleQuery)
      yahoo.clearFaults()
      assert.deepEqual(stored.data?.candles, fresh.data?.candles)
      const read = await post<{ signals: object; analyses: { edges: { node: { indicators: object } }[] } }>(
        api.api,
        '{ signals { edges { node { time price } } } analyses(symbol: "AAPL") { edges { node { price asOf } } } }',
      )
      assert.equal(read.errors, undefined, JSON.stringify(read.errors))
      assert.ok((read.data?.analyses.edges.length ?? 0) > 0)
    })
  }
})

test('transactions that lose against each other are done again as a whole until they win', async () => {
  await using database = await createTestDatabase()
  await database.query('CREATE TABLE counters AS SELECT 1 AS id, 0 AS count')
  const pool = createPool(database.url, silentLog)
  await inTime(
    Promise.all(
      Array.from({ length: 5 }, () =>
        transaction(pool, async (client) => {
          await client.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')
          const { rows } = await client.query<{ count: number }>('SELECT count FROM counters')
          await client.query('UPDATE counters SET count = $1', [(rows[0]?.count ?? 0) + 1])
        }),
      ),
    ),
    'all',
  )
  assert.deepEqual(await database.query('SELECT count FROM counters'), [{ count: 5 }])
  await pool.end()
})

for (const [code, what] of [
  ['40001', 'could not be serialised'],
  ['40P01', 'was chosen as the victim of a deadlock'],
] as const) {
  test(`a statement that ${what} twice is done a third time; one that never gets through is UNAVAILABLE`, async () => {
    await using database = await createTestDatabase()
    await database.query(`CREATE SEQUENCE tries`)
    await database.query(`CREATE FUNCTION lose(times int) RETURNS bigint LANGUAGE plpgsql AS $$
      DECLARE try bigint := nextval('tries');
      BEGIN IF try <= times THEN RAISE EXCEPTION 'lost' USING ERRCODE = '${code}'; END IF; RETURN try; END $$`)
    const pool = createPool(database.url, silentLog)
    assert.deepEqual((await pool.query('SELECT lose(2)::int')).rows, [{ lose: 3 }])
    await assert.rejects(pool.query('SELECT lose(1000)'), { code: 'UNAVAILABLE', temporary: true })
    const [tries] = await database.query<{ last_value: string }>('SELECT last_value FROM tries')
    assert.equal(Number(tries?.last_value), 3 + 6)
    await pool.end()
  })
}
