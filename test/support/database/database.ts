import { randomUUID } from 'node:crypto'
import pg from 'pg'

export interface TestDatabase extends AsyncDisposable {
  /** For DATABASE_URL. */
  readonly url: string
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>
}

/** A database of its own, migrated, in the Postgres of this run. */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const template = process.env.FINSTAGE_TEST_DATABASE
  if (!template) throw new Error('run the tests with npm test: it starts the Postgres that they need')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const admin = template.replace('/finstage?', '/postgres?')
  await run(admin, `CREATE DATABASE ${name} TEMPLATE ${options.empty ? 'template0' : 'finstage'}`)
  const url = template.replace('/finstage?', `/${name}?`)
  return {
    url,
    query: (sql, values) => run(url, sql, values),
    [Symbol.asyncDispose]: async () => {
      await run(admin, `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

async function run<Row extends pg.QueryResultRow>(url: string, sql: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}
