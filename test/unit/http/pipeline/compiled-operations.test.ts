import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DocumentNode, Kind, type OperationDefinitionNode, parse, validate } from 'graphql'
import { CompiledOperations, compilableFields } from '../../../../src/http/pipeline/compiled-operations.ts'
import { interpret } from '../../../../src/http/pipeline/interpreter.ts'
import type { PreparedOperation } from '../../../../src/http/pipeline/prepared-documents.ts'
import { schema } from '../../../../src/schema/index.ts'

const operationIn = (document: DocumentNode): OperationDefinitionNode =>
  document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode

function fieldsOf(query: string): number {
  const document = parse(query)
  assert.deepEqual(validate(schema, document), [])
  return compilableFields(document, operationIn(document))
}

test('an operation is as large as the fields of it and of its fragments, wherever those are spread', () => {
  assert.equal(fieldsOf('{ quote(symbol: "AAPL") { symbol price } }'), 3)
  assert.equal(fieldsOf('query ($s: Symbol!) { quote(symbol: $s) { symbol __typename } }'), 3)
  assert.equal(fieldsOf('query ($n: Int!) { candles(symbol: "A") { sma(period: $n) { value } } }'), 3)
  assert.equal(
    fieldsOf(
      '{ a: quote(symbol: "A") { ...F } b: quote(symbol: "B") { ... on Quote { ...F } } } fragment F on Quote { price open }',
    ),
    6,
  )
})

for (const [what, query] of [
  ['a mutation', 'mutation { cancelJob(id: "x") { __typename } }'],
  ['@skip', '{ quote(symbol: "A") { price @skip(if: true) } }'],
  ['@include at a spread', '{ ...F @include(if: true) } fragment F on Query { quote(symbol: "A") { price } }'],
  [
    '@include inside of a fragment',
    '{ ...F } fragment F on Query { ... @include(if: true) { quote(symbol: "A") { price } } }',
  ],
  ['a variable inside of a list', 'query ($s: Symbol!) { quotes(symbols: [$s]) { price } }'],
  [
    'a variable by whose name resolvers take its values for those of the interpreter',
    'query ($coerced: Int!) { candles(symbol: "A") { sma(period: $coerced) { value } } }',
  ],
  ['introspection', '{ __schema { queryType { name } } }'],
  ['introspection of a type', '{ __type(name: "Quote") { name } }'],
  ['a name that means something to JavaScript', '{ __proto__: quote(symbol: "A") { price } }'],
  [
    'more than can be compiled soon',
    `{ ${Array.from({ length: 160 }, (_, i) => `a${i}: quote(symbol: "A") { price }`).join(' ')} }`,
  ],
] as const) {
  test(`${what} is not compiled`, () => assert.equal(fieldsOf(query), 0))
}

function prepared(query: string): PreparedOperation {
  const document = parse(query)
  const node = operationIn(document)
  const description = { name: 'quote', kind: 'query' }
  return { document, node, description, compilableFields: compilableFields(document, node), runs: 0 }
}

test('an operation is compiled when it has run ten times, and then gives what the interpreter gives', async () => {
  const operations = new CompiledOperations(schema)
  const operation = prepared(
    'query ($s: Symbol!) { quote(symbol: $s) { n: symbol price __typename instrument { name } } }',
  )
  for (let run = 1; run < 10; run++) assert.equal(operations.find(operation), undefined)
  const compiled = operations.find(operation)
  assert.ok(compiled)
  assert.equal(operations.find(operation), compiled)
  const listing = { instrument: { name: 'Apple' }, quote: { symbol: 'AAPL', price: 1.5 } }
  const contextValue = { loaders: { listing: async () => listing } }
  const variables = { s: 'aapl' }
  assert.equal(
    JSON.stringify(await compiled(undefined, contextValue, variables)),
    JSON.stringify(await interpret({ schema, document: operation.document, contextValue, variableValues: variables })),
  )
})
