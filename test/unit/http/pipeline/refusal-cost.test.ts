import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPromise } from 'graphql-yoga'
import { Registry } from 'prom-client'
import { createGraphQL, type GraphQL } from '../../../../src/http/pipeline/graphql.ts'
import { usualPriceSettings } from '../../../../src/http/pipeline/price/price-settings.ts'
import type { Ports } from '../../../../src/resolvers/context.ts'
import { schema } from '../../../../src/schema/index.ts'
import { quoteOf } from '../../../support/candles/prices.ts'
import { silentLog } from '../../../support/log.ts'

const quote = '{ quote(symbol: "AAPL") { symbol price open dayHigh dayLow volume time } }'
const chart = 'query ($l: Int!) { candles(symbol: "AAPL", last: $l) { nodes { time open high low close volume } } }'

/** CPU of so many operations that the pipeline knows, and of making their JSON. */
async function microsOf(graphql: GraphQL, query: string, variables: Record<string, unknown>): Promise<number> {
  const operation = graphql.documents.operation(query, null) ?? assert.fail('not known')
  const { user, system } = process.threadCpuUsage()
  for (let i = 0; i < 500; i++) {
    const result = graphql.execute(operation, { variables })
    JSON.stringify(isPromise(result) ? await result : result)
  }
  const after = process.threadCpuUsage()
  return after.user + after.system - user - system
}

test('a refusal takes less CPU than a quote from memory', async () => {
  const listing = { instrument: {}, quote: quoteOf('AAPL', 1) }
  const ports = { now: Date.now, market: { listing: () => listing, reachDays: () => null } } as unknown as Ports
  const price = { ...usualPriceSettings, ceiling: 1000 }
  const graphql = createGraphQL({ schema, ports, log: silentLog, registry: new Registry(), price })
  for (const query of [quote, chart]) {
    const body = JSON.stringify({ query, variables: { l: 20_000 } })
    await graphql.yoga.fetch('http://test/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
  }
  const operation = graphql.documents.operation(chart, null) ?? assert.fail('not known')
  const { errors } = await graphql.execute(operation, { variables: { l: 20_000 } })
  assert.ok(Number(errors?.[0]?.extensions.points) > 1000)
  const ratios: number[] = []
  for (let round = 0; round < 9; round++) {
    ratios.push((await microsOf(graphql, chart, { l: 20_000 })) / (await microsOf(graphql, quote, {})))
  }
  const median = ratios.slice(2).sort((a, b) => a - b)[3] ?? Number.NaN
  assert.ok(median < 1, `${ratios}`)
})
