import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kind, type OperationDefinitionNode, parse } from 'graphql'
import { CompiledOperations, compilableFields } from '../../src/http/pipeline/compiled-operations.ts'
import type { PreparedOperation } from '../../src/http/pipeline/prepared-documents.ts'
import { schema } from '../../src/schema/index.ts'
import { collectedMemory } from '../support/collected-memory.ts'

function prepared(query: string): PreparedOperation {
  const document = parse(query)
  const isOperation = ({ kind }: { kind: Kind }): boolean => kind === Kind.OPERATION_DEFINITION
  const node = document.definitions.find(isOperation) as OperationDefinitionNode
  const description = { name: 'quote', kind: 'query' }
  return { document, node, description, compilableFields: compilableFields(document, node), runs: 0 }
}

for (const [what, count, query] of [
  [
    'of many fields',
    150,
    `instrument(symbol: "A") { ${Array.from({ length: 140 }, (_, i) => `a${i}: reachDays(interval: DAY_1)`).join(' ')} }`,
  ],
  ['long', 1000, `quotes(symbols: [${'"AAPL" '.repeat(300)}]) { symbol }`],
] as const) {
  test(`compiled operations and their documents stay within their memory, also where they are ${what}: the least recently used go`, async () => {
    const operations = new CompiledOperations(schema)
    const before = await collectedMemory()
    let last: PreparedOperation | undefined
    const first = prepared(`query First { ${query} }`)
    const compile = (operation: PreparedOperation): void => {
      for (let run = 0; run < 10; run++) operations.find(operation)
    }
    compile(first)
    for (let i = 0; i < count; i++) {
      last = prepared(`query Q${i} { ${query} }`)
      compile(last)
    }
    assert.ok(last && operations.find(last))
    assert.equal(operations.find(first), undefined)
    const megabytes = ((await collectedMemory()).heapUsed - before.heapUsed) / 1e6
    assert.ok(megabytes < 35, `${megabytes} MB are kept`)
  })
}
