import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { Health } from '../../../../src/http/server/health.ts'
import { familiesOf } from '../../../support/prometheus.ts'

test('what works and what does not is told to Prometheus, and a check that hangs does not hold a scrape up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const registry = new Registry()
  const health = new Health()
  health.add('database', async () => {})
  health.register(registry)
  health.add('bus', () => Promise.reject(new Error('not connected')))
  health.add('queue', () => new Promise(() => {}))
  const scrape = registry.metrics()
  await new Promise(setImmediate)
  t.mock.timers.tick(1000)
  const [family] = familiesOf(await scrape)
  const told = family?.samples.map(({ labels, value }) => [labels.dependency, value])
  assert.deepEqual(told, [
    ['database', 1],
    ['bus', 0],
    ['queue', 0],
  ])
})
