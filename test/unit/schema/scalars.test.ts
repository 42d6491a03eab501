import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { GraphQLObjectType, GraphQLScalarType, GraphQLSchema, graphqlSync } from 'graphql'
import { FinstageError } from '../../../src/domain/errors.ts'
import { schema } from '../../../src/schema/index.ts'

function scalar(name: string): GraphQLScalarType {
  const type = schema.getType(name)
  assert.ok(type instanceof GraphQLScalarType)
  return type
}

/** What a scalar makes of a value that comes as a variable, and of the same written as a literal. */
function read(name: string, value: unknown): [unknown, unknown] {
  const type = scalar(name)
  const got: unknown[] = []
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: {
      take: {
        type: scalar('JSON'),
        args: { value: { type } },
        resolve: (_root, args: { value: unknown }) => {
          got.push(args.value)
          return null
        },
      },
    },
  })
  const small = new GraphQLSchema({ query })
  const source = `query ($value: ${name}) { variable: take(value: $value) literal: take(value: ${JSON.stringify(value)}) }`
  const { errors } = graphqlSync({ schema: small, source, variableValues: { value } })
  if (errors?.[0]) throw errors[0]
  assert.equal(got.length, 2)
  return [got[0], got[1]]
}

function refused(name: string, value: unknown): void {
  assert.throws(
    () => scalar(name).parseValue(value),
    (error) => error instanceof FinstageError && error.code === 'BAD_USER_INPUT',
    `${name} took ${inspect(value)}`,
  )
}

for (const [text, iso] of [
  ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
  ['2026-01-31t12:00:00z', '2026-01-31T12:00:00.000Z'],
  ['2026-01-31T12:00:00.5Z', '2026-01-31T12:00:00.500Z'],
  ['2026-01-31T12:00:00.123456789Z', '2026-01-31T12:00:00.123Z'],
  ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
  ['2026-01-31T12:00:00-05:30', '2026-01-31T17:30:00.000Z'],
  ['2026-01-31T12:00:00-00:00', '2026-01-31T12:00:00.000Z'],
  ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
  ['1969-12-31T23:59:59Z', '1969-12-31T23:59:59.000Z'],
] as const) {
  test(`DateTime takes ${text} for ${iso}`, () => {
    assert.deepEqual(read('DateTime', text), [Date.parse(iso), Date.parse(iso)])
    assert.equal(scalar('DateTime').serialize(Date.parse(iso)), iso)
  })
}

for (const value of [
  '2026-02-30T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-04-31T12:00:00+02:00',
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-01-00T00:00:00Z',
  '2026-01-01T25:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00',
  '2026-01-01 00:00:00Z',
  '2026-01-01T00:00Z',
  '2026-01-01',
  '20260101T000000Z',
  '1 January 2026',
  '1767225600',
  '',
  1_767_225_600,
  1_767_225_600_000,
  true,
  { time: 1 },
  ['2026-01-01T00:00:00Z'],
]) {
  test(`DateTime refuses ${JSON.stringify(value)} as BAD_USER_INPUT`, () => refused('DateTime', value))
}

test('Symbol upper-cases what comes in, as a variable and as a literal, and passes on what goes out', () => {
  assert.deepEqual(read('Symbol', 'brk-b'), ['BRK-B', 'BRK-B'])
  assert.equal(scalar('Symbol').serialize('^GSPC'), '^GSPC')
})

test('Symbol refuses what is no text, and a text that is no symbol, as BAD_USER_INPUT', () => {
  for (const value of [1, true, null, {}, ['AAPL'], '', 'A B', '../x', 'x'.repeat(33)]) refused('Symbol', value)
})

for (const name of ['EpochSeconds', 'BigInt']) {
  test(`${name} takes whole numbers up to 2^53, far beyond GraphQL's Int`, () => {
    for (const value of [0, -1, 2 ** 31, 4_102_444_800, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      assert.deepEqual(read(name, value), [value, value])
      assert.equal(scalar(name).serialize(value), value)
    }
  })

  test(`${name} refuses fractions, texts and what a number cannot hold exactly, as BAD_USER_INPUT`, () => {
    for (const value of [0.5, 1e-9, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', true, null, 1n, {}, [1]]) {
      refused(name, value)
    }
  })

  test(`${name} refuses a literal with a fraction, or too large, before anything runs`, () => {
    for (const literal of ['1.5', '9007199254740993', '"1"', 'true', '[1]']) {
      const type = scalar(name)
      const small = new GraphQLSchema({
        query: new GraphQLObjectType({
          name: 'Query',
          fields: { take: { type, args: { value: { type } }, resolve: () => assert.fail('it ran') } },
        }),
      })
      const { errors, data } = graphqlSync({ schema: small, source: `{ take(value: ${literal}) }` })
      assert.equal(data, undefined)
      assert.equal(errors?.length, 1)
    }
  })
}

test('JSON passes on whatever it is given', () => {
  const value = { a: [1, 'x', null, true], b: { c: 0.5 } }
  assert.deepEqual(scalar('JSON').serialize(value), value)
  assert.deepEqual(scalar('JSON').parseValue(value), value)
})
