import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DatabasePool } from '../../../../src/platform/database/pool.ts'
import type { Series } from '../../../../src/store/candles/series.ts'
import { SeriesStates } from '../../../../src/store/candles/series-states.ts'
import type { StoredSeries } from '../../../../src/store/candles/stored-series.ts'

const days: Series = { source: 'YAHOO', symbol: 'KNOWN', interval: 'DAY_1', extendedHours: false }
const hours: Series = { ...days, interval: 'HOUR_1' }
const span = { from: 0, to: 100 }

const stored = (rowVersion: string): StoredSeries => ({
  ...{ id: 1, timezone: null, currency: null, firstTradeEpoch: null, sessionOpens: null, sessionCloses: null },
  ...{ exchange: null, generation: 0, settledVersion: 0, rowVersion, openFrom: null, receivedAtMs: 0, basisAtMs: 0 },
  ...{ revisedAtMs: 0, actionsAtMs: 0, covered: [], recentFrom: 0 },
})

/** The states of the only process that writes, over a database that has version 'read' of each series. */
function states() {
  let reads = 0
  const query = async (_statement: unknown): Promise<unknown> => {
    reads++
    return { rows: [{ place: 1, ...stored('read'), covered: '{}' }] }
  }
  const known = new SeriesStates({ query } as unknown as DatabasePool, true)
  const version = async (series: Series): Promise<unknown> => (await known.state(series, span))?.rowVersion
  return { known, version, reads: () => reads }
}

test('what a write has left of its series is known after it, and what was read of the others is not', async () => {
  const { known, version, reads } = states()
  await version(hours)
  await known.write(days, async () => ({ left: stored('left') }))
  assert.deepEqual([await version(days), reads()], ['left', 1])
  assert.deepEqual([await version(hours), reads()], ['read', 2])
})

test('what a write has left is read again if another one of the symbol has ended since it began', async () => {
  const { known, version, reads } = states()
  const first = Promise.withResolvers<{ left: StoredSeries }>()
  const written = known.write(days, () => first.promise)
  await known.write(hours, async () => ({ left: stored('left') }))
  first.resolve({ left: stored('old') })
  await written
  assert.deepEqual([await version(days), reads()], ['read', 1])
  assert.deepEqual([await version(hours), reads()], ['read', 2])
})

test('while the outcome of a write is unknown, each request reads', async () => {
  const { known, version, reads } = states()
  await assert.rejects(known.write(hours, () => Promise.reject(new Error('the connection was lost'))))
  await known.write(days, async () => ({ left: stored('left') }))
  assert.deepEqual([await version(days), await version(days), reads()], ['read', 'read', 2])
})
