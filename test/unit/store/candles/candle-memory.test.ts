import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CandleList, candleColumns, type Sized } from '../../../../src/domain/candle-list.ts'
import { finished, inOneStep } from '../../../../src/domain/steps.ts'
import { CandleMemory } from '../../../../src/store/candles/candle-memory.ts'
import type { StampedRows } from '../../../../src/store/candles/candle-rows.ts'
import type { SeriesState } from '../../../../src/store/candles/series.ts'

const remember = (list: CandleList<unknown>, make: () => Sized): Sized =>
  finished(list.remembered('sma', () => inOneStep(make)))

const count = 1000
const span = { from: 0, to: count * 60 }
let stamped: StampedRows = {
  rows: Array.from({ length: count }, (_, minute) => ({
    ...{ minute, open: 1.25, high: 2.25, low: 0.25, close: minute / 4, volume: 10_000 + minute, adjustedClose: null },
  })),
  ...{ generation: 0, settledVersion: 0, rowVersion: '1', openFrom: null },
}
const stateOf = (id: number): SeriesState => ({
  ...{ id, generation: 0, settledVersion: 0, rowVersion: '1', openFrom: null, gaps: [], recent: [] },
  ...{ receivedAtMs: 0, basisAtMs: 0, revisedAtMs: 0, actionsAtMs: 0 },
  ...{ timezone: null, currency: null, firstTradeEpoch: null, sessionOpens: null, sessionCloses: null, exchange: null },
})

test('candles, their JSON and what is derived from them are counted, and stay within the bound', async () => {
  const maxBytes = 500_000
  const memory = new CandleMemory(async () => stamped, maxBytes)
  for (let id = 1; id <= 20; id++) {
    const before = memory.bytes
    const { list } = await memory.rows(stateOf(id), span)
    const read = memory.bytes
    let json = 0
    for (const column of candleColumns) for (const piece of finished(list.json(column)) ?? []) json += piece.length
    const written = memory.bytes
    for (let times = 0; times < 2; times++) remember(list, () => ({ bytes: 20_000 }))
    if (id === 1) {
      assert.ok(read - before >= count * 52, 'six doubles and a minute a row')
      assert.ok(written - read >= json)
      assert.ok(memory.bytes - written >= 20_000)
    }
    assert.ok(memory.bytes <= maxBytes, `${memory.bytes} with ${memory.size} series`)
  }
  assert.ok(memory.size > 1 && memory.size < 10, `${memory.size} series`)
})

test('a series that takes more than there is room for is served all the same', async () => {
  const memory = new CandleMemory(async () => stamped, 1000)
  const { list } = await memory.rows(stateOf(1), span)
  assert.equal(finished(list.json('close'))?.join(',').split(',').length, count)
  assert.deepEqual([memory.size, memory.bytes], [0, 0])
})

test('what is derived makes room before candles do, until it takes a quarter', async () => {
  const maxBytes = 1_000_000
  let reads = 0
  const memory = new CandleMemory(async () => {
    reads++
    return stamped
  }, maxBytes)
  const derive = async (id: number): Promise<void> => {
    const { list } = await memory.rows(stateOf(id), span)
    for (let times = 0; times < 2; times++) remember(list, () => ({ bytes: 100_000 }))
    assert.ok(memory.bytes <= maxBytes, `${memory.bytes}`)
  }
  for (let id = 1; id <= 10; id++) await derive(id)
  for (let id = 1; id <= 10; id++) await memory.rows(stateOf(id), span)
  assert.deepEqual([reads, memory.size], [10, 10])
  const { list } = await memory.rows(stateOf(10), span)
  remember(list, () => assert.fail('the newest is still there'))
  for (let id = 11; id <= 30; id++) await derive(id)
  assert.ok(memory.size < 16, `${memory.size} series beside what is derived from them`)
  const newest = await memory.rows(stateOf(30), span)
  remember(newest.list, () => assert.fail('the newest is still there'))
})

test('what is derived goes with its candles', async () => {
  const memory = new CandleMemory(async () => stamped, 1_000_000)
  const derive = async (state: SeriesState): Promise<void> => {
    const { list } = await memory.rows(state, span)
    for (let times = 0; times < 2; times++) remember(list, () => ({ bytes: 100_000 }))
  }
  await derive(stateOf(1))
  const { bytes } = memory
  // A new generation: everything is read again.
  stamped = { ...stamped, generation: 1 }
  for (let times = 0; times < 3; times++) await derive({ ...stateOf(1), generation: 1 })
  assert.deepEqual([memory.size, memory.bytes], [1, bytes])
})
