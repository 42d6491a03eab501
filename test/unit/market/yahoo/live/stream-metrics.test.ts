import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { StreamMetrics } from '../../../../../src/market/yahoo/live/metrics.ts'
import { yahooPushFeed } from '../../../../../src/market/yahoo/live/push-feed.ts'
import { familiesOf } from '../../../../support/prometheus.ts'
import { fakeStream, pricedListing } from '../../../../support/yahoo/test-streamer.ts'

test('a feed that drips shows in its frames beside the usual, and one that breaks in its sockets', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 })
  const { open, connections } = fakeStream()
  const registry = new Registry()
  const feed = yahooPushFeed({
    ...{ url: 'ws://streamer.test/', pollIntervalMs: 1000, random: () => 1, open },
    listings: async (symbols) => new Map(symbols.map((symbol) => [symbol, pricedListing(symbol, { price: 1 })])),
    sink: { update: () => {}, failure: (symbol) => assert.fail(symbol) },
    metrics: new StreamMetrics(registry),
  })
  t.after(() => feed.stop())
  const told = async (name: string, state?: string): Promise<number | undefined> =>
    familiesOf(await registry.metrics())
      .find((family) => family.name === `finstage_stream_${name}`)
      ?.samples.find(({ labels }) => labels.state === state)?.value
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await nextTurn()
  }
  const pass = async (seconds: number, framesPerSecond: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      t.mock.timers.tick(1000)
      for (let frame = 0; frame < framesPerSecond; frame++) {
        connections.at(-1)?.push('A', { price: 1 + second + frame / 100, time: Date.now() })
      }
      await settle()
    }
  }
  feed.watch(new Set(['A', 'B']))
  await settle()
  assert.equal(await told('sockets', 'opening'), 1)
  connections[0]?.events.opened()
  await pass(150, 4)
  assert.equal(await told('sockets', 'open'), 1)
  assert.equal(await told('frames_total'), 600)
  assert.equal(await told('usual_frames_per_second'), 4)
  await pass(25, 0)
  assert.equal(await told('frames_total'), 600)
  const usual = (await told('usual_frames_per_second')) ?? 0
  assert.ok(usual > 3 && usual <= 4, `${usual} a second`)
  connections[0]?.events.closed('gone')
  await settle()
  assert.equal(await told('sockets', 'away'), 1)
  await feed.stop()
  assert.equal(await told('usual_frames_per_second'), 0)
})
