import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AskedLately } from '../../../../../src/http/pipeline/price/asked-lately.ts'
import { Observations } from '../../../../../src/http/pipeline/price/observations.ts'
import { collectedMemory } from '../../../../support/collected-memory.ts'

test('a computed value counts as kept from the third time on, for as long as the newest candle stays, as the memory of candles keeps it', () => {
  let nowMs = 0
  const lately = new AskedLately(() => nowMs)
  const asks = (): boolean => lately.hasComputed('AAPL', 'sma 20', 1000)
  assert.deepEqual([asks(), asks(), asks(), asks()], [false, false, true, true])
  nowMs = 11_000
  assert.deepEqual([asks(), asks()], [false, true])
})

test('values that are asked for once, in many ways, drive none out and are never kept', () => {
  const lately = new AskedLately(() => 0)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 130; i++) assert.equal(lately.hasComputed('AAPL', `adx ${i}`, 100), false)
  }
})

test('a series keeps a mebibyte: what was kept longest makes room, what is larger is never kept', () => {
  const lately = new AskedLately(() => 0)
  const keep = (name: string, bytes: number): void => {
    lately.hasComputed('AAPL', name, bytes)
    lately.hasComputed('AAPL', name, bytes)
  }
  keep('a', 600_000)
  keep('b', 600_000)
  assert.deepEqual(
    ['b', 'a'].map((name) => lately.hasComputed('AAPL', name, 600_000)),
    [true, false],
  )
  keep('huge', 2_000_000)
  assert.equal(lately.hasComputed('AAPL', 'huge', 2_000_000), false)
})

test('a series counts as loaded once it was asked for', () => {
  const lately = new AskedLately(() => 0)
  assert.deepEqual(
    [lately.hasLoaded('AAPL 10'), lately.hasLoaded('AAPL 10'), lately.hasLoaded('MSFT 10')],
    [false, true, false],
  )
})

test('names take a bounded memory, however long they are and however little of what they name is kept', async () => {
  const lately = new AskedLately(() => 0)
  const observations = new Observations()
  const long = (i: number): string => `${i} ${String.fromCharCode(97 + (i % 26)).repeat(4000)}`
  const before = (await collectedMemory()).heapUsed
  for (let i = 0; i < 5000; i++) {
    lately.hasLoaded(long(i))
    observations.note(long(i), { entries: 1 })
    // Of one series, and of many.
    for (const series of ['AAPL', `S${i}`]) for (let time = 0; time < 2; time++) lately.hasComputed(series, long(i), 1)
  }
  const grown = (await collectedMemory()).heapUsed - before
  assert.ok(grown < 32e6, `${grown} bytes`)
  // What was asked for last is known, though.
  assert.ok(lately.hasLoaded(long(4999)) && lately.hasComputed('S4999', long(4999), 1))
  assert.ok(observations.get(long(4999)))
})
