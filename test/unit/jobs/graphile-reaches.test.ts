import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const src = new URL('../../../src/', import.meta.url).pathname
const insides = join('store', 'jobs', 'graphile-insides.ts')

/** Private tables, the name of the statement that takes a job, and modules other than the library's own door. */
const reach = /\b_private_|get_job\b|_cron\b|from 'graphile-worker\/|graphile-worker\/dist/

test('only src/store/jobs/graphile-insides.ts names internals of graphile-worker', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  assert.ok(files.length > 200, `${files.length} files`)
  const reaching = files.filter((file) => reach.test(readFileSync(join(src, file), 'utf8')))
  assert.deepEqual(reaching, [insides])
})
