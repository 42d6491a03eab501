import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type OperationDefinitionNode, parse } from 'graphql'
import { Registry } from 'prom-client'
import { usualPriceSettings } from '../../../../src/http/pipeline/price/price-settings.ts'
import { OperationPricing } from '../../../../src/http/pipeline/pricing.ts'
import { createContext, type Ports } from '../../../../src/resolvers/context.ts'
import { priced } from '../../../../src/schema/price/price.ts'
import { silentLog } from '../../../support/log.ts'

test('a price that throws is that of the operation without variables, and is logged once', () => {
  const schema = buildSchema('type Query { list(length: Int): [Int] broken: [Int] }')
  const fields = schema.getQueryType()?.getFields() ?? {}
  const entriesOf = (length: unknown): number => {
    if (length === 13) throw new TypeError('unlucky')
    return typeof length === 'number' ? length : 500
  }
  Object.assign(fields.list ?? {}, {
    extensions: priced(({ args }) => ({ micros: 0, entries: entriesOf(args.length) })),
  })
  Object.assign(fields.broken ?? {}, { extensions: priced(() => ({ micros: 0, entries: entriesOf(13) })) })
  const logged: unknown[] = []
  const log = { ...silentLog, error: (...said: unknown[]) => void logged.push(said) } as unknown as typeof silentLog
  const settings = { ...usualPriceSettings, ceiling: 10_000 }
  const facts = { now: Date.now, reachDays: () => null }
  const pricing = new OperationPricing({ schema, settings, facts, registry: new Registry(), log })
  const pointsOf = (query: string, variables: Record<string, unknown>): number => {
    const document = parse(query)
    const node = document.definitions[0] as OperationDefinitionNode
    const context = createContext({} as Ports)
    assert.equal(pricing.charge(document, node, variables, context), null)
    return context.points
  }
  const list = 'query ($l: Int) { list(length: $l) }'
  assert.ok(pointsOf(list, { l: 1 }) < pointsOf(list, {}))
  assert.equal(pointsOf(list, { l: 13 }), pointsOf(list, {}))
  assert.ok(pointsOf('{ broken }', {}) > 0)
  assert.equal(logged.length, 1)
})
