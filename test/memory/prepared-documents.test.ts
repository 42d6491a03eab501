import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GraphQLError } from 'graphql'
import { Registry } from 'prom-client'
import { createGraphQL, type GraphQL } from '../../src/http/pipeline/graphql.ts'
import type { Ports } from '../../src/resolvers/context.ts'
import { schema } from '../../src/schema/index.ts'
import { collectedMemory } from '../support/collected-memory.ts'
import { silentLog } from '../support/log.ts'

const start = (): GraphQL => createGraphQL({ schema, ports: {} as Ports, log: silentLog, registry: new Registry() })

/** Parses and validates as every transport does. */
function prepare({ yoga }: GraphQL, query: string): readonly GraphQLError[] {
  const { parse, validate, schema } = yoga.getEnveloped({})
  return validate(schema, parse(query))
}

test('invalid documents and their errors are not kept', async () => {
  const graphql = start()
  const unknown = Array.from({ length: 110 }, (_, i) => `unknown${i}`).join(' ')
  const before = await collectedMemory()
  for (let i = 0; i < 1000; i++) {
    const query = `{ quote(symbol: "A") { n${i} ${unknown} } }`
    assert.ok(prepare(graphql, query).length > 50)
    assert.equal(graphql.documents.get(query), undefined)
  }
  const megabytes = ((await collectedMemory()).heapUsed - before.heapUsed) / 1e6
  assert.ok(megabytes < 10, `${megabytes} MB are kept`)
})

for (const [what, text] of [
  ['long', (i: number) => `{ a${i}: quote(symbol: "A") { price } } # ${'x'.repeat(100_000)}`],
  [
    'of many tokens',
    (i: number) => `{ quote(symbol: "A") { ${Array.from({ length: 190 }, (_, j) => `a${i}x${j}: price`).join(' ')} } }`,
  ],
] as const) {
  test(`valid documents make room for newer ones before they take more than 32 MiB, also where they are ${what}`, async () => {
    const graphql = start()
    const before = await collectedMemory()
    const texts = Array.from({ length: 600 }, (_, i) => text(i))
    for (const one of texts) assert.deepEqual(prepare(graphql, one), [])
    const kept = texts.map((one) => graphql.documents.get(one) !== undefined)
    assert.deepEqual([kept[0], kept.at(-1)], [false, true])
    assert.ok(kept.filter(Boolean).length > 50)
    const megabytes = ((await collectedMemory()).heapUsed - before.heapUsed) / 1e6
    // The texts are kept by this test, too.
    assert.ok(megabytes < 34 + texts.join('').length / 1e6, `${megabytes} MB are kept`)
  })
}
