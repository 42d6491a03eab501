import assert from 'node:assert/strict'
import { test } from 'node:test'
import { graphql } from 'graphql'
import { simulatedSource } from '../../../../src/market/simulated/source.ts'
import { createContext, type Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'

const time = '2025-06-18T14:00:00Z'

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}

async function ask(args: string, lists = true, hours: 'always' | 'exchange' = 'exchange') {
  const source = simulatedSource({ symbolCount: 130, ticksPerSecond: 1, hours, now: () => Date.parse(time) })
  const market = { instruments: () => (lists ? source.instruments?.() : null) }
  const { data, errors } = await graphql({
    schema,
    source: `{ marketInstruments(${args}) {
      edges { cursor node { symbol name kind currency marketState exchange { code name timezone } } }
      pageInfo { hasNextPage endCursor }
    } }`,
    contextValue: createContext({ market } as unknown as Ports),
  })
  return { page: (data?.marketInstruments ?? null) as Page | null, errors }
}

const symbolsOf = (page: Page | null) => page?.edges.map(({ node }) => node.symbol)

test('the instruments of the simulated market are listed page by page, each once, in its order', async () => {
  const found: unknown[] = []
  let after = 'null'
  for (let pages = 0; pages < 10; pages++) {
    const { page } = await ask(`first: 33, after: ${after}`)
    found.push(...(symbolsOf(page) ?? []))
    if (!page?.pageInfo.hasNextPage) break
    after = JSON.stringify(page.pageInfo.endCursor)
  }
  assert.equal(found.length, 130)
  assert.equal(new Set(found).size, 130)
  assert.deepEqual(found.slice(0, 3), ['AAPL', 'MSFT', 'GOOGL'])
  assert.equal(found.at(-1), 'SIM0030')
})

test('kinds narrow the list, and pages go on within them', async () => {
  const { page } = await ask('first: 2, kinds: [CURRENCY, CRYPTO]')
  assert.deepEqual(symbolsOf(page), ['BTC-USD', 'EURUSD=X'])
  const { page: next } = await ask(`first: 9, kinds: [CURRENCY, CRYPTO], after: "${page?.pageInfo.endCursor}"`)
  assert.deepEqual(symbolsOf(next), ['GBPUSD=X', 'JPY=X', 'ETH-USD', 'SOL-USD'])
  assert.equal(next?.pageInfo.hasNextPage, false)
  assert.deepEqual(symbolsOf((await ask('kinds: [OPTION]')).page), [])
})

test('each is told with its exchange and the state of its market now', async () => {
  const { page } = await ask('first: 100')
  const nodes = new Map(page?.edges.map(({ node }) => [node.symbol, node]))
  assert.deepEqual(JSON.parse(JSON.stringify(nodes.get('SHEL.L'))), {
    symbol: 'SHEL.L',
    name: 'Shell plc',
    kind: 'EQUITY',
    currency: 'GBp',
    marketState: 'REGULAR',
    exchange: { code: 'LSE', name: 'Simulated LSE', timezone: 'Europe/London' },
  })
  assert.equal(nodes.get('7203.T')?.marketState, 'CLOSED')
})

test('a source without a list has none, and wrong arguments are refused', async () => {
  assert.deepEqual(await ask('first: 5', false), { page: null, errors: undefined })
  for (const args of ['first: 0', 'first: 101', 'after: "nonsense"', 'kinds: []']) {
    const { page, errors } = await ask(args)
    assert.equal(page, null)
    assert.match(`${errors?.[0]}`, /first|after|kinds/)
  }
})
