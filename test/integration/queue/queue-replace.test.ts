import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { eventually } from '../../support/clients/client.ts'
import { startQueue, testTask } from '../../support/queue/queue.ts'

test('a runner that is stopped while it replaces a broken pool leaves no pool behind', async () => {
  await using queue = await startQueue({ tasks: [testTask(async () => null)] })
  const { database, runner } = queue
  await database.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
     CREATE TRIGGER refuse BEFORE DELETE ON graphile_worker._private_jobs FOR EACH ROW EXECUTE FUNCTION refuse()`,
  )
  const holder = new pg.Client({ connectionString: database.url })
  await holder.connect()
  try {
    // Holds up a pool that opens: it reads this table.
    await holder.query('BEGIN; LOCK TABLE graphile_worker.migrations')
    await queue.ended((await queue.enqueue()).id)
    await eventually(
      () =>
        runner.check().then(
          () => false,
          () => true,
        ),
      'the pool is broken',
    )
    await runner.stop()
  } finally {
    await holder.query('DROP TRIGGER refuse ON graphile_worker._private_jobs; COMMIT')
    await holder.end()
  }
  const isGone = async (): Promise<boolean> =>
    (
      await database.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%jobs:insert%'
         UNION ALL SELECT FROM finstage.workers`,
      )
    ).length === 0
  await eventually(isGone, 'the pool that opened late is closed')
  const late = await queue.enqueue()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.equal((await queue.job(late.id)).state, 'QUEUED')
  assert.ok(await isGone())
})
