import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { entityTag, isKnown } from '../../../../src/http/answers/revalidation.ts'
import { bytesOf, joined, unjoinedJson, WrittenList } from '../../../../src/resolvers/written-list.ts'

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

const numbers = fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(), fc.constant(null)), {
  maxLength: 60,
})
const texts = fc.oneof(
  fc.string(),
  fc.constantFrom('[1,2,3]', '"[', '[null]', ']', `[${'1,'.repeat(50)}1]`, '\u0000', 'ü\u{1f4c8}'),
)
const answers = fc.record({ a: numbers, b: fc.array(fc.oneof(texts, numbers, fc.record({ c: numbers }))), d: numbers })

/** The same with some of its lists written already, cut into pieces in some way. */
function partlyWritten(value: unknown, pick: (most: number) => number): unknown {
  if (!Array.isArray(value)) {
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, partlyWritten(each, pick)]))
  }
  if (pick(2) === 0) return value.map((each) => partlyWritten(each, pick))
  const pieces: string[] = []
  for (let from = 0; from < value.length; ) {
    const to = from + 1 + pick(20)
    pieces.push(JSON.stringify(value.slice(from, to)).slice(1, -1))
    from = to
  }
  // The executor makes it a list with one entry.
  return [new WrittenList(pieces, value.length)]
}

test('a tag depends on the bytes alone, however much of an answer was written before and in which pieces', () => {
  const tags = new Map<string, string>()
  fc.assert(
    fc.property(answers, fc.infiniteStream(fc.nat()), (answer, random) => {
      const text = JSON.stringify(answer)
      const pick = (most: number): number => random.next().value % (most + 1)
      const unjoined = unjoinedJson(partlyWritten(answer, pick))
      assert.equal(joined(unjoined), text)
      assert.equal(bytesOf(unjoined), Buffer.byteLength(text))
      const tag = entityTag(text, 'application/json', 'identity')
      assert.equal(entityTag(unjoined, 'application/json', 'identity'), tag)
      assert.equal(tags.get(tag) ?? text, text)
      tags.set(tag, text)
    }),
    { numRuns: 500 },
  )
})

test('any other byte makes another tag, also inside of a long list of numbers', () => {
  const text = JSON.stringify({ a: Array.from({ length: 300 }, (_, i) => i / 4), b: '[1,2]', c: [[1], [2]] })
  const tags = new Set([entityTag(text, 'application/json', 'identity')])
  for (let at = 0; at < text.length; at++) {
    const other = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
    tags.add(entityTag(other, 'application/json', 'identity'))
  }
  assert.equal(tags.size, text.length + 1)
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
