import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type ExecutionResult, GraphQLError, GraphQLObjectType, parse, subscribe } from 'graphql'
import type { PriceUpdate } from '../../../../src/domain/price-update.ts'
import { CompiledOperations } from '../../../../src/http/pipeline/compiled-operations.ts'
import { interpret } from '../../../../src/http/pipeline/interpreter.ts'
import { shownError } from '../../../../src/http/pipeline/mask-error.ts'
import { RenderedPriceCache, SharedExecution } from '../../../../src/http/sharing/execution.ts'
import { updateOf } from '../../../support/candles/prices.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceUpdates: Update! }
  type Update { seq: Int! shaky: Int late: Int firm: Int! wrong: Int }
`)

function resolve(type: string, field: string, resolver: (update: PriceUpdate) => unknown): void {
  const object = schema.getType(type)
  assert.ok(object instanceof GraphQLObjectType)
  const found = object.getFields()[field]
  assert.ok(found)
  found.resolve = resolver
}

resolve('Subscription', 'priceUpdates', (update) => update)
resolve('Update', 'shaky', ({ seq }) => {
  if (seq % 4 === 3) throw new GraphQLError('at times')
  return seq
})
resolve('Update', 'late', async ({ seq }) => {
  if (seq % 5 === 3) throw new GraphQLError('later')
  return seq
})

resolve('Update', 'firm', ({ seq }) => (seq % 6 === 3 ? null : seq))
resolve('Update', 'wrong', ({ seq }) => (seq % 7 === 3 ? 'no number' : seq))

const updates = Array.from({ length: 40 }, (_, i) => updateOf('AAPL', i + 1))

const shown = ({ errors, ...result }: ExecutionResult): string =>
  `${JSON.stringify(errors ? { ...result, errors: errors.map(shownError) } : result)}}`

/** As the interpreter executes each update by itself. */
const interpreted = (query: string): Promise<string[]> =>
  Promise.all(
    updates.map(async (rootValue) =>
      shown(await interpret({ schema, document: parse(query), rootValue, contextValue: {} })),
    ),
  )

/** As graphql-js executes a subscription of its own. */
async function byGraphqlJs(query: string): Promise<string[]> {
  const events = await subscribe({
    schema,
    document: parse(query),
    subscribeFieldResolver: async function* () {
      yield* updates
    },
  })
  assert.ok(Symbol.asyncIterator in events)
  const results: string[] = []
  for await (const event of events) results.push(shown(event))
  return results
}

for (const [selection, isAsByGraphqlJs] of [
  ['seq shaky', true],
  ['a: seq late shaky', true],
  ['firm late', true],
  // graphql-js leaves out errors of fields that another error has taken away with their object.
  ['late firm shaky', false],
  ['wrong', true],
] as const) {
  test(`what is executed as compiled is what plain execution gives, with its errors and their places: { ${selection} }`, async () => {
    const query = `subscription { priceUpdates { ${selection} } }`
    const compiled = new CompiledOperations(schema)
    const find = compiled.find.bind(compiled)
    let compiledRuns = 0
    compiled.find = (operation) => {
      const found = find(operation)
      if (found) compiledRuns += 1
      return found
    }
    const options = { compiled, mask: (error: unknown) => error as GraphQLError, executed: () => {} }
    const args = { schema, document: parse(query), contextValue: {} }
    const execution = new SharedExecution(args, options, new RenderedPriceCache())
    const payloads: string[] = []
    for (const update of updates) payloads.push(String((await execution.rendered(update, query)).payload))
    assert.deepEqual(payloads, await interpreted(query))
    if (isAsByGraphqlJs) assert.deepEqual(payloads, await byGraphqlJs(query))
    assert.equal(compiledRuns, updates.length - 9, 'from the tenth on')
  })
}
