import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'graphql'
import { Registry } from 'prom-client'
import { createGraphQL } from '../../../../src/http/pipeline/graphql.ts'
import { describeOperation } from '../../../../src/http/pipeline/operation-metrics.ts'
import type { Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'
import { silentLog } from '../../../support/log.ts'

test('nothing hooks into a request of the pipeline but what the short way of JSON posts does as well', () => {
  const { yoga } = createGraphQL({ schema, ports: {} as Ports, log: silentLog, registry: new Registry() })
  const { plugins } = yoga as unknown as { plugins: (object | false)[] }
  const hooksOf = (name: string): number => plugins.filter((plugin) => plugin && name in plugin).length
  const names = ['onContextBuilding', 'onExecute', 'onExecutionResult', 'onParams', 'onRequest', 'onRequestParse']
  const others = ['onResultProcess', 'onResponse', 'onEnveloped', 'instrumentation']
  assert.deepEqual(Object.fromEntries([...names, ...others].map((name) => [name, hooksOf(name)])), {
    // createContext.
    onContextBuilding: 1,
    // Yoga's executor, graphql-js in its place, the metrics, the masking of errors, the bound of their number, the price, and how
    // long caches may keep an answer to GET.
    onExecute: 7,
    onExecutionResult: 0,
    // The check of parameters.
    onParams: 1,
    // The path of health checks, and paths that are not GraphQL's.
    onRequest: 2,
    // Five ways to read a request but for multipart, what can't be read, method, batches, size of the body.
    onRequestParse: 8,
    // The choice of a media type.
    onResultProcess: 1,
    // The body of 406, which the short way leaves to Yoga, and the encoding and the tag.
    onResponse: 2,
    onEnveloped: 0,
    instrumentation: 0,
  })
})

test('an operation is described in no time, however often its fragments spread each other', () => {
  const levels = Array.from({ length: 200 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)
  const document = parse(`query { ...F0 } ${levels.join(' ')} fragment F200 on Query { quote(symbol: "A") { price } }`)
  const [node] = document.definitions
  assert.ok(node?.kind === 'OperationDefinition')
  assert.deepEqual(describeOperation(document, node), { name: 'quote', kind: 'query' })
})
