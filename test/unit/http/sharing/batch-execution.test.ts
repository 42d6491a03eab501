import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { buildSchema, type ExecutionResult, GraphQLError, GraphQLObjectType, parse } from 'graphql'
import type { PriceUpdate } from '../../../../src/domain/price-update.ts'
import { CompiledOperations } from '../../../../src/http/pipeline/compiled-operations.ts'
import { interpret } from '../../../../src/http/pipeline/interpreter.ts'
import { shownError } from '../../../../src/http/pipeline/mask-error.ts'
import { BatchExecution, RenderedBatchCache } from '../../../../src/http/sharing/batch-execution.ts'
import { updateOf } from '../../../support/candles/prices.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceBatches: [Update!]! }
  type Update { symbol: String! seq: Int! shaky: Int late: Int firm: Int! }
`)

function resolve(type: string, field: string, resolver: (update: PriceUpdate) => unknown): void {
  const object = schema.getType(type)
  assert.ok(object instanceof GraphQLObjectType)
  const found = object.getFields()[field]
  assert.ok(found)
  found.resolve = resolver
}

resolve('Subscription', 'priceBatches', (batch) => batch)
resolve('Update', 'symbol', ({ quote }) => quote.symbol)
resolve('Update', 'shaky', ({ seq }) => {
  if (seq % 4 === 3) throw new GraphQLError('at times')
  return seq
})
resolve('Update', 'late', async ({ seq }) => seq)
resolve('Update', 'firm', ({ seq }) => (seq % 6 === 5 ? null : seq))

function open(query: string, cache = new RenderedBatchCache()) {
  let executed = 0
  const options = {
    compiled: new CompiledOperations(schema),
    mask: (error: unknown) => error as GraphQLError,
    executed: () => executed++,
  }
  const execution = new BatchExecution({ schema, document: parse(query), contextValue: {} }, options, cache)
  return { execution, executed: () => executed }
}

const shown = ({ errors, ...result }: ExecutionResult): string =>
  `${JSON.stringify(errors ? { ...result, errors: errors.map(shownError) } : result)}}`

/** As the interpreter executes a batch as a whole. */
const interpreted = async (query: string, batch: readonly PriceUpdate[]): Promise<string> =>
  shown(await interpret({ schema, document: parse(query), rootValue: batch, contextValue: {} }))

const symbols = Array.from('ABCDE')
/** In each, some symbols have changed and the others are left out. */
const batches = Array.from({ length: 24 }, (_, i) =>
  symbols.filter((_, at) => i === 0 || (i + at) % 3 !== 0).map((symbol, at) => updateOf(symbol, i + at)),
)

for (const query of [
  'subscription { priceBatches { symbol seq } }',
  'subscription { "b": priceBatches { symbol } }'.replace('"b"', 'b'),
  'subscription { priceBatches { symbol shaky } }',
  'subscription { list: priceBatches { symbol firm shaky } }',
  'subscription { priceBatches { symbol late seq } }',
]) {
  test(`a batch put together of entries is, byte for byte, the batch executed as a whole: ${query}`, async () => {
    const { execution } = open(query)
    for (const batch of batches) {
      const rendered = await execution.rendered(batch, query)
      assert.equal(String(rendered.payload), await interpreted(query, batch))
    }
  })
}

test('errors name their places in the document as each client has written it', async () => {
  const query = 'subscription { priceBatches { symbol shaky } }'
  const other = `# of another client\n\n${query}`
  const { execution } = open(query)
  for (const batch of batches) {
    for (const source of [query, other]) {
      const rendered = await execution.rendered(batch, source)
      assert.equal(String(rendered.payload), await interpreted(source, batch))
    }
  }
})

test('an update is executed once, whatever batches it is in, and a batch that several clients get is rendered once', async () => {
  const query = 'subscription { priceBatches { symbol seq } }'
  const { execution, executed } = open(query)
  const [a, b, c] = ['A', 'B', 'C'].map((symbol) => updateOf(symbol, 1)) as [PriceUpdate, PriceUpdate, PriceUpdate]
  const first = await execution.rendered([a, b], query)
  assert.equal(await execution.rendered([a, b], query), first)
  await execution.rendered([b, c], query)
  await execution.rendered([a, b, c], query)
  assert.equal(executed(), 3)
})

test('entries that have to be loaded are loaded with one execution of the batch', async () => {
  const query = 'subscription { priceBatches { late } }'
  const { execution, executed } = open(query)
  await execution.rendered(batches[0] as PriceUpdate[], query)
  const before = executed()
  await execution.rendered(batches[1] as PriceUpdate[], query)
  assert.equal(executed() - before, 1)
})

test('a batch is compressed once, to what it is', async () => {
  const query = 'subscription { priceBatches { symbol seq } }'
  const { execution } = open(query)
  const rendered = await execution.rendered(batches[0] as PriceUpdate[], query)
  assert.equal(rendered.deflated, rendered.deflated)
  assert.deepEqual(rendered.deflated.subarray(-4), Buffer.from([0, 0, 0xff, 0xff]))
  assert.deepEqual(inflateRawSync(rendered.deflated, { finishFlush: 2 }), rendered.payload)
})

test('what is kept of batches is counted with its bytes, of those that had to be loaded too', async () => {
  for (const fields of ['symbol seq', 'late seq']) {
    const cache = new RenderedBatchCache()
    const names = Array.from({ length: 200 }, (_, i) => `${'long'.repeat(20)}${i}: seq`)
    const query = `subscription { priceBatches { ${fields} ${names.join(' ')} } }`
    const { execution } = open(query, cache)
    let bytes = 0
    for (const batch of batches.slice(0, 3)) bytes += (await execution.rendered(batch, query)).payload.length
    await new Promise(setImmediate)
    assert.ok(cache.batches.calculatedSize > bytes, `${cache.batches.calculatedSize} of ${bytes}`)
  }
})
