import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ConfigurationError, parseEnvironment } from '../../../src/platform/environment.ts'

const shape = {
  PORT: z.string().regex(/^\d+$/, 'a number is wanted').default('4000'),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: z.string().startsWith('postgresql://', 'an address of Postgres is wanted').optional(),
  LOG_LEVEL: z.enum(['info', 'debug'], { error: 'info or debug is wanted' }).default('info'),
  SIMULATED_SYMBOLS: z.string().default('100'),
  SIMULATED_TICKS_PER_SECOND: z.string().default('1'),
}

const parse = (environment: Readonly<Record<string, string | undefined>>) => parseEnvironment(shape, environment)

/** The sentences that refuse it. */
function refusals(environment: Readonly<Record<string, string>>): string[] {
  try {
    parse(environment)
  } catch (error) {
    assert.ok(error instanceof ConfigurationError)
    return error.message.split('\n')
  }
  return assert.fail(`was taken: ${JSON.stringify(environment)}`)
}

test('an empty value counts as unset', () => {
  const unset = parse({})
  assert.deepEqual(parse({ PORT: '', HOST: '', DATABASE_URL: '', LOG_LEVEL: '' }), unset)
  assert.deepEqual(parse({ PORT: undefined }), unset)
  assert.equal(unset.PORT, '4000')
  assert.equal(unset.DATABASE_URL, undefined)
})

test('all that is wrong is named at once, each with its variable, its value and what is wanted', () => {
  assert.deepEqual(refusals({ PORT: 'x"y', LOG_LEVEL: 'loud', HOTS: '::', HOST: 'fine' }), [
    'PORT="x\\"y" is wrong: a number is wanted',
    'LOG_LEVEL="loud" is wrong: info or debug is wanted',
    'HOTS is not a setting: did you mean HOST?',
  ])
})

for (const address of [
  'mysql://user:secret@host/database',
  'postgresqll://user:secret@host:5432/database?sslmode=require',
  'mysql://user:secret@part@host/database',
  'mysql://user:secret/part@host/database',
  'postgresql:/user:secret@host/database',
  'user:secret@host/database',
  'host=localhost user=me password=secret',
  'mysql://host/database?user=me&password=secret',
]) {
  test(`a password is not shown where an address is wrong: ${address}`, () => {
    const [refusal = '', ...more] = refusals({ DATABASE_URL: address })
    assert.match(refusal, /^DATABASE_URL.* is wrong: an address of Postgres is wanted$/)
    assert.doesNotMatch(refusal, /secret|part@/)
    assert.deepEqual(more, [])
  })
}

test('an address that holds no password is shown as it is', () => {
  assert.deepEqual(refusals({ DATABASE_URL: 'localhost:5432' }), [
    'DATABASE_URL="localhost:5432" is wrong: an address of Postgres is wanted',
  ])
})

for (const [misspelt, meant] of [
  ['PROT', 'PORT'],
  ['PORTS', 'PORT'],
  ['HOTS', 'HOST'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['DATABASEURL', 'DATABASE_URL'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['DATABASE-URL', 'DATABASE_URL'],
  ['LOG_LEVL', 'LOG_LEVEL'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['LOG_LVEEL', 'LOG_LEVEL'],
  ['SIMULATED_SYMBOL', 'SIMULATED_SYMBOLS'],
  ['SIMULATED_TICKS', 'SIMULATED_TICKS_PER_SECOND'],
  ['SIMULATED_TICKS_PER_SECONDS', 'SIMULATED_TICKS_PER_SECOND'],
  ['SIMULATED_TICK_PER_SEC', 'SIMULATED_TICKS_PER_SECOND'],
] as const) {
  test(`${misspelt} is refused, and ${meant} named as what was meant`, () => {
    assert.deepEqual(refusals({ [misspelt]: '1' }), [`${misspelt} is not a setting: did you mean ${meant}?`])
  })
}

test('a misspelt variable is refused though its value is empty, or the right one is set as well', () => {
  assert.equal(refusals({ LOG_LEVL: '' }).length, 1)
  assert.equal(refusals({ LOG_LEVL: 'debug', LOG_LEVEL: 'debug' }).length, 1)
})
