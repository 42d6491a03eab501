import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type GraphQLError, parse } from 'graphql'
import { CompiledOperations } from '../../src/http/pipeline/compiled-operations.ts'
import { RenderedPriceCache, SharedExecution } from '../../src/http/sharing/execution.ts'
import { updateOf } from '../support/candles/prices.ts'
import { collectedMemory } from '../support/collected-memory.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceUpdates: Update! }
  type Update { seq: Int! }
`)
const { priceUpdates } = schema.getSubscriptionType()?.getFields() ?? {}
assert.ok(priceUpdates)
priceUpdates.resolve = (update) => update

test('neither rendered prices nor ended executions keep the memory of passing writes alive', async () => {
  const query = 'subscription { priceUpdates { seq } }'
  const options = {
    compiled: new CompiledOperations(schema),
    mask: (error: unknown) => error as GraphQLError,
    executed: () => {},
  }
  const prices = new RenderedPriceCache()
  const passing = new Array<Buffer>(100)
  const before = await collectedMemory()
  const living: SharedExecution[] = []
  for (let i = 0; i < 300; i++) {
    const execution = new SharedExecution({ schema, document: parse(query), contextValue: {} }, options, prices)
    if (i % 3 === 0) living.push(execution)
    for (let symbol = 0; symbol < 10; symbol++) {
      await execution.rendered(updateOf(`S${symbol}`, 1), query)
      for (let write = 0; write < 50; write++) passing[write] = Buffer.from('x'.repeat(1000))
    }
  }
  const after = await collectedMemory()
  const megabytes = (after.arrayBuffers - before.arrayBuffers) / 1e6
  assert.equal(living.length, 100)
  assert.ok(megabytes < 5, `${megabytes} MB are kept alive`)
})
