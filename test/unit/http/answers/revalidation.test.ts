import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entityTag, isKnown } from '../../../../src/http/answers/revalidation.ts'

test('the tag of an answer is strong, and its own for each body, media type and encoding', () => {
  const tags = ['{"a":1}', '{"a":2}'].flatMap((body) =>
    ['application/json', 'application/graphql-response+json'].flatMap((type) =>
      (['zstd', 'br', 'gzip', 'identity'] as const).map((encoding) => entityTag(body, type, encoding)),
    ),
  )
  assert.equal(new Set(tags).size, 16)
  for (const tag of tags) assert.match(tag, /^"[\w-]{22}-[a-z]+"$/)
  assert.equal(entityTag('{"a":1}', 'application/json', 'zstd'), tags[0])
})

for (const [header, isTold] of [
  [undefined, false],
  ['', false],
  ['"a-gzip"', true],
  ['W/"a-gzip"', true],
  ['"b", "a-gzip"', true],
  ['"b,c" ,W/"a-gzip","d"', true],
  ['*', true],
  [' * ', true],
  ['"a-br"', false],
  ['a-gzip', false],
  ['"A-GZIP"', false],
  ['"a-gzip', false],
  ['"*"', false],
] as const) {
  test(`If-None-Match ${header ?? 'missing'} ${isTold ? 'has' : 'does not have'} the answer`, () => {
    assert.equal(isKnown(header, '"a-gzip"'), isTold)
  })
}
