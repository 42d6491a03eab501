import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GraphQLError } from 'graphql'
import { Registry } from 'prom-client'
import { createGraphQL, type GraphQL } from '../../../../src/http/pipeline/graphql.ts'
import type { Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'
import { silentLog } from '../../../support/log.ts'

const start = (): GraphQL => createGraphQL({ schema, ports: {} as Ports, log: silentLog, registry: new Registry() })

/** As every transport does it. */
function prepare({ yoga }: GraphQL, query: string): readonly GraphQLError[] {
  const { parse, validate, schema } = yoga.getEnveloped({})
  return validate(schema, parse(query))
}

test('an operation is ready once the pipeline has found its document valid, by its name or by none', () => {
  const graphql = start()
  const { documents } = graphql
  const one = 'query One { quote(symbol: "A") { price } }'
  assert.equal(documents.operation(one, null), undefined)
  assert.deepEqual(prepare(graphql, one), [])
  assert.ok(documents.operation(one, null))
  assert.equal(documents.operation(one, 'One'), documents.operation(one, null))
  assert.equal(documents.operation(one, 'Two'), undefined)
  assert.equal(documents.operation(`${one} `, null), undefined)
})

test('of several operations each is ready by its own name alone, subscriptions by none', () => {
  const graphql = start()
  const query = `query A { quote(symbol: "A") { price } } mutation B { cancelJob(id: "x") { __typename } }
    subscription C { priceUpdates(symbols: ["A"]) { price } }`
  assert.deepEqual(prepare(graphql, query), [])
  const names = ['A', 'B', 'C', null].map((name) => graphql.documents.operation(query, name)?.description)
  assert.deepEqual(names, [
    { name: 'quote', kind: 'query' },
    { name: 'cancelJob', kind: 'mutation' },
    undefined,
    undefined,
  ])
})

test('what the pipeline refuses is never ready, however often it comes', () => {
  const graphql = start()
  const tooMuch = `{ ${Array.from({ length: 201 }, (_, i) => `a${i}: __typename`).join(' ')} }`
  for (let time = 0; time < 3; time++) {
    assert.throws(() => prepare(graphql, '{ quote('))
    assert.equal(prepare(graphql, '{ nothing }').length, 1)
    assert.throws(() => prepare(graphql, tooMuch), /Aliases limit/)
    for (const query of ['{ quote(', '{ nothing }', tooMuch]) {
      assert.equal(graphql.documents.operation(query, null), undefined)
    }
  }
})
