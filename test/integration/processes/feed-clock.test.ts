import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, metric } from '../../support/clients/client.ts'
import { PriceFollower, runOf } from '../../support/clients/price-follower.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { createFakeClock, fakeTimeLibrary } from '../../support/fake-clock.ts'
import { startProcess } from '../../support/process.ts'

const library = fakeTimeLibrary()
const skip = library === null && 'libfaketime is not installed: Debian has it in the package faketime'

const symbols = ['AAPL', 'MSFT', 'BTC-USD']
const none = { unannounced: 0, repeated: 0, outOfOrder: 0 }

test('setting the clock of a leader forward and back by hours changes neither the times nor the run of its prices, there or in another process', {
  skip,
}, async () => {
  await using database = await createTestDatabase()
  using clock = createFakeClock(library ?? '')
  const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '10' }
  await using leader = await startProcess(['all'], { ...settings, ...clock.environment })
  await eventually(async () => (await metric(leader.metrics, 'finstage_feed_leading')) === 1, 'the lead')
  await using api = await startProcess(['api'], settings)
  await using there = new PriceFollower(symbols)
  await using elsewhere = new PriceFollower(symbols)
  await there.connect(leader.api)
  await elsewhere.connect(api.api)
  const all = [there, elsewhere]
  for (const offsetHours of [0, 3, -4, -2, -30]) {
    clock.set(offsetHours * 3600)
    const marks = all.map((follower) => follower.mark())
    const gone = (): boolean =>
      all.every((follower, i) =>
        symbols.every((symbol) => {
          const before = marks[i]?.get(symbol) ?? 0
          return (follower.updates.get(symbol)?.length ?? 0) >= before + 40
        }),
      )
    await eventually(gone, 'prices')
    for (const update of all.flatMap((follower, i) => follower.since(marks[i] ?? new Map()))) {
      assert.ok(Math.abs(Date.parse(update.time) - Date.now()) < 30_000, `${update.symbol} at ${update.time}`)
    }
  }
  for (const { faults, snapshots } of all) {
    assert.deepEqual(faults, none)
    assert.deepEqual(snapshots, [1, 1, 1])
  }
  const runs = all.flatMap((follower) => symbols.map((symbol) => runOf(follower.lastOf(symbol) ?? assert.fail())))
  assert.equal(new Set(runs).size, 1)
})
