import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as promClient from 'prom-client'
import { Histogram } from '../../../src/platform/histogram.ts'

const help = 'How long it took'
const buckets = [0.005, 0.5, 2]

test('a histogram is scraped as prom-client’s own would be', async () => {
  const [ours, theirs] = [new promClient.Registry(), new promClient.Registry()]
  const histogram = new Histogram<'type' | 'field'>({ name: 'seconds', help, buckets, registry: ours })
  const labelNames = ['type', 'field'] as const
  const reference = new promClient.Histogram({ name: 'seconds', help, labelNames, buckets, registers: [theirs] })
  for (const field of ['quote', 'a "name" to escape\n']) {
    const labels = { type: 'Query', field }
    for (const value of [0, 0.005, 0.0051, 0.5, 1.25, 2, 2.5, 1e9]) {
      histogram.series(labels).observe(value)
      reference.observe(labels, value)
    }
  }
  await assert.doesNotReject(
    ours.metrics(),
    'prom-client no longer scrapes a metric of a registry by calling its get()',
  )
  assert.equal(await ours.metrics(), await theirs.metrics())
  assert.match(await ours.metrics(), /seconds_bucket\{le="0.5",type="Query",field="quote"\} 4\n/)
})

test('observations with the same labels are added up, whoever asked for their series', () => {
  const histogram = new Histogram<'kind'>({ name: 'age', help, buckets, registry: new promClient.Registry() })
  histogram.series({ kind: 'quote' }).observe(1)
  histogram.series({ kind: 'quote' }).observe(3)
  histogram.series({ kind: 'candles' })
  assert.deepEqual(histogram.counts(), [
    { labels: { kind: 'quote' }, count: 2 },
    { labels: { kind: 'candles' }, count: 0 },
  ])
})
