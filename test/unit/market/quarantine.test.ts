import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { Quarantine } from '../../../src/market/quarantine.ts'

test('bad data is counted each time, and logged once for each symbol and reason, with what was said', async () => {
  const registry = new Registry()
  const logged: unknown[] = []
  const quarantine = new Quarantine({ registry, log: { warn: (what: unknown) => void logged.push(what) } })
  for (let i = 0; i < 3; i++) quarantine.report('AAPL', 'no price', { close: null })
  quarantine.report('AAPL', 'price jump', { price: 2101 })
  quarantine.report('MSFT', 'no price', { close: null })
  assert.deepEqual(logged, [
    { symbol: 'AAPL', reason: 'no price', said: { close: null } },
    { symbol: 'AAPL', reason: 'price jump', said: { price: 2101 } },
    { symbol: 'MSFT', reason: 'no price', said: { close: null } },
  ])
  const counted = (await registry.getMetricsAsJSON()).flatMap(({ values }) =>
    values.flatMap(({ labels, value }) => (value > 0 ? [[labels.reason, value]] : [])),
  )
  assert.deepEqual(counted, [
    ['no price', 4],
    ['price jump', 1],
  ])
})
