import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLError, type GraphQLErrorOptions, graphqlSync, parse } from 'graphql'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { codeOf, maskError, withCode } from '../../../../src/http/pipeline/mask-error.ts'
import type { Logger } from '../../../../src/platform/logger.ts'
import { schema } from '../../../../src/schema/index.ts'
import { silentLog } from '../../../support/log.ts'

/** What a client gets of an error, and what the log does. */
function mask(error: unknown) {
  const logged: unknown[] = []
  const log: Logger = Object.assign(Object.create(silentLog), { error: (entry: unknown) => logged.push(entry) })
  const shown = maskError(error, log)
  return { shown, json: JSON.stringify(shown), logged }
}

/** An error as graphql-js wraps what a resolver throws. */
const thrownAt = (originalError: Error, options: GraphQLErrorOptions = {}): GraphQLError =>
  new GraphQLError(originalError.message, { path: ['quotes', 1], ...options, originalError })

function syntaxError(): GraphQLError {
  try {
    parse('{ quote(')
  } catch (error) {
    if (error instanceof GraphQLError) return error
  }
  return assert.fail('it parsed')
}

test('an error of ours reaches the client with its message, code and details, at its path, and is not logged', () => {
  const error = new FinstageError(
    'SOURCE_RATE_LIMITED',
    'Slow down',
    { symbol: 'A', retryAfterSeconds: 9 },
    new Error('x'),
  )
  const { json, logged } = mask(thrownAt(error))
  assert.deepEqual(JSON.parse(json), {
    message: 'Slow down',
    path: ['quotes', 1],
    extensions: { code: 'SOURCE_RATE_LIMITED', symbol: 'A', retryAfterSeconds: 9 },
  })
  assert.deepEqual(logged, [])
})

test('an error of ours is found under any number of wrappings, and without one', () => {
  const error = new FinstageError('NOT_FOUND', 'There is no such job')
  for (const wrapped of [error, thrownAt(error), thrownAt(thrownAt(thrownAt(error)))]) {
    const { shown } = mask(wrapped)
    assert.deepEqual([shown.message, shown.extensions], ['There is no such job', { code: 'NOT_FOUND' }])
    assert.equal(codeOf(wrapped), 'NOT_FOUND')
  }
})

for (const [what, secret] of [
  ['an error', new Error('password=secret')],
  ['an error of a subclass', new TypeError('secret of undefined')],
  ['an error with a code of its own', Object.assign(new Error('secret'), { code: 'ECONNREFUSED', address: 'secret' })],
  ['a text', 'secret'],
  ['an object', { secret: true }],
  ['nothing', undefined],
] as const) {
  test(`of ${what} that is not ours the client learns only that it happened, and the log gets the rest`, () => {
    const { json, logged } = mask(secret)
    assert.deepEqual(JSON.parse(json), {
      message: 'Something went wrong on our side',
      extensions: { code: 'INTERNAL', unexpected: true },
    })
    assert.deepEqual(logged, [{ err: secret, path: undefined }])
    assert.equal(codeOf(secret), 'INTERNAL')
  })
}

test('what a resolver threw keeps its path where it is masked, and the log gets that too', () => {
  const error = new Error('secret', { cause: new FinstageError('NOT_FOUND', 'secret too') })
  const wrapped = thrownAt(error, { extensions: { secret: 1 } })
  const { json, shown, logged } = mask(wrapped)
  assert.deepEqual(JSON.parse(json).path, ['quotes', 1])
  assert.doesNotMatch(json, /secret/)
  assert.equal(shown.originalError, undefined)
  assert.deepEqual(logged, [{ err: error, path: ['quotes', 1] }])
})

test("a client's mistake is shown as graphql-js says it, at its place, as BAD_USER_INPUT, and is not logged", () => {
  const { shown, logged } = mask(syntaxError())
  assert.match(shown.message, /^Syntax Error/)
  assert.deepEqual(shown.locations, [{ line: 1, column: 9 }])
  assert.deepEqual({ ...shown.extensions }, { code: 'BAD_USER_INPUT' })
  assert.deepEqual(logged, [])
  const [wrong] = graphqlSync({ schema, source: '{ nonsense }' }).errors ?? []
  assert.equal(wrong && withCode(wrong).extensions.code, 'BAD_USER_INPUT')
})

test('a code of ours that a graphql error bears stays, any other is BAD_USER_INPUT', () => {
  for (const [code, shown] of [
    ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED'],
    ['FORBIDDEN', 'FORBIDDEN'],
    ['GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'],
    ['__proto__', 'BAD_USER_INPUT'],
    [undefined, 'BAD_USER_INPUT'],
  ] as const) {
    assert.equal(codeOf(new GraphQLError('no', { extensions: { code } })), shown)
    assert.equal(withCode(new GraphQLError('no', { extensions: { code, kept: 1 } })).extensions.kept, 1)
  }
})

test('a symbol that is none is our own BAD_USER_INPUT, as a literal and as a variable', () => {
  const literal = graphqlSync({ schema, source: '{ quote(symbol: "A/B") { price } }' })
  const variable = graphqlSync({
    schema,
    source: 'query ($s: Symbol!) { quote(symbol: $s) { price } }',
    variableValues: { s: 'A/B' },
  })
  for (const { errors } of [literal, variable]) {
    const { shown, logged } = mask(errors?.[0])
    assert.equal(shown.extensions.code, 'BAD_USER_INPUT')
    assert.match(shown.message, /A\/B/)
    assert.deepEqual(logged, [])
  }
})
