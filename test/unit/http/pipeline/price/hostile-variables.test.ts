import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type DocumentNode, type OperationDefinitionNode, parse, validate } from 'graphql'
import { AskedLately } from '../../../../../src/http/pipeline/price/asked-lately.ts'
import { OperationPrice } from '../../../../../src/http/pipeline/price/operation-price.ts'
import { schema } from '../../../../../src/schema/index.ts'
import { chartQueries, extremeOperations, queries } from '../../../../support/operations/operations.ts'

const nowMs = Date.parse('2026-12-01T00:00:00Z')
/** A list of a hundred symbols is as long as names get. */
const longestName = 8000
const names: string[] = []
const noted = (name: string): void => {
  names.push(name)
}
const lately = new AskedLately(() => nowMs)
const facts = {
  now: () => nowMs,
  reachDays: () => null,
  hasLoaded(name: string) {
    noted(name)
    return lately.hasLoaded(name)
  },
  hasComputed(series: string, name: string, bytes: number) {
    noted(series)
    noted(name)
    return lately.hasComputed(series, name, bytes)
  },
  observed(name: string) {
    noted(name)
    return undefined
  },
}

const deepList: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom<unknown>(
    JSON.parse('{"toString":1,"valueOf":1}'),
    JSON.parse('{"toString":null,"valueOf":null,"length":1e9,"symbols":{"length":-1}}'),
    JSON.parse('{"__proto__":{"symbols":["A"]},"constructor":0,"toJSON":1}'),
    deepList,
    [deepList],
    { symbols: deepList },
    JSON.parse('1e999'),
    -0,
    1e308,
    5e-324,
    '',
    '9'.repeat(240_000),
    `2026-01-01T00:00:00.${'0'.repeat(240_000)}Z`,
    btoa('Job:x'.padEnd(150_000)),
    Array.from({ length: 100_000 }, (_, i) => i),
    Array.from({ length: 100 }, () => '9'.repeat(2400)),
  ),
)

function validDocument(query: string): DocumentNode | null {
  try {
    const document = parse(query)
    return validate(schema, document).length === 0 ? document : null
  } catch {
    return null
  }
}

/** CPU of the price alone; `before`: what it takes with the variables that were meant. */
function microsOfPrice(price: OperationPrice, variables: Record<string, unknown>): number {
  const before = process.threadCpuUsage()
  for (const isInterpreted of [false, true]) {
    const { standing, ...others } = price.cost({ variables, isInterpreted, facts })
    for (const micros of [...Object.values(others), ...Object.values(standing)])
      assert.ok(Number.isFinite(micros) && micros >= 0, String(micros))
  }
  const { user, system } = process.threadCpuUsage(before)
  return user + system
}

for (const [what, operations] of [
  ['queries', queries(schema)],
  ['charts', chartQueries(schema)],
  ['operations at the bounds of what can be said', extremeOperations(schema)],
] as const) {
  test(`whatever the variables of generated ${what} are, a price is a number of at least 0, takes little and names little`, () => {
    let priced = 0
    fc.assert(
      fc.property(operations, fc.infiniteStream(hostile), ({ query }, values) => {
        const document = validDocument(query)
        const node = document?.definitions[0] as OperationDefinitionNode | undefined
        if (!document || !node?.variableDefinitions?.length) return
        priced++
        const variables: Record<string, unknown> = {}
        for (const { variable } of node.variableDefinitions) variables[variable.name.value] = values.next().value
        const price = new OperationPrice(schema, document, node)
        const usual = microsOfPrice(price, {})
        const micros = Math.min(microsOfPrice(price, variables), microsOfPrice(price, variables))
        assert.ok(micros < 5000 + 3 * usual, `${micros} us, ${usual} us without variables`)
        for (const name of names) assert.ok(name.length < longestName, `a name of ${name.length}: ${name.slice(0, 80)}`)
        names.length = 0
      }),
      { numRuns: 400, seed: 1, endOnFailure: true },
    )
    assert.ok(priced > 60, `${priced} had variables`)
  })
}

test('a hundred aliases of an indicator cost a price no more with a long text, a long list or a deep one than with none', () => {
  const aliases = Array.from(
    { length: 125 },
    (_, i) => `a${i}: sma(period: $p) { value } b${i}: ema(period: ${i + 1}) { value }`,
  )
  const document = parse(
    `query ($s: Symbol!, $p: Int, $f: DateTime) { candles(symbol: $s, from: $f) { ${aliases.join(' ')} } }`,
  )
  assert.deepEqual(validate(schema, document), [])
  const price = new OperationPrice(schema, document, document.definitions[0] as OperationDefinitionNode)
  const least = (variables: Record<string, unknown>): number =>
    Math.min(...Array.from({ length: 5 }, () => microsOfPrice(price, variables)))
  const usual = least({ s: 'AAPL' })
  for (const value of ['1'.repeat(240_000), Array.from({ length: 100_000 }, (_, i) => i), deepList]) {
    const micros = least({ s: value, p: value, f: value })
    assert.ok(micros < 2000 + 3 * usual, `${micros} us instead of ${usual}`)
  }
})
