import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventually } from '../support/clients/client.ts'
import { startPriceServer } from '../support/clients/price-server.ts'
import { PriceTrack } from '../support/clients/price-track.ts'
import { RawClient } from '../support/clients/raw-client.ts'
import { mebibyte, sseReader, symbolsOf, thin, tickUntilStuck } from '../support/clients/stalled-readers.ts'
import { collectedMemory } from '../support/collected-memory.ts'

test('over SSE a stalled reader of a fast symbol holds no more memory, however many prices pass', async () => {
  await using server = await startPriceServer()
  const { client } = await sseReader(server, ['FAST'])
  client.stall()
  await tickUntilStuck(server, ['FAST'])
  const heldAfter = async (ticks: number): Promise<number> => {
    for (let tick = 1; tick <= ticks; tick++) {
      server.tick('FAST')
      if (tick % 100 === 0) await nextTurn()
    }
    const { heapUsed, arrayBuffers } = await collectedMemory()
    return heapUsed + arrayBuffers
  }
  // Fills the history of the symbol and the queue of the reader.
  const before = await heldAfter(3000)
  const grown = (await heldAfter(20_000)) - before
  assert.ok(grown < mebibyte, `${grown} bytes more are held`)
  client.cut()
})

test('a hundred subscriptions of 200 symbols each on one stalled socket hold no more memory, however many prices pass', async () => {
  await using server = await startPriceServer()
  const subscriptions = symbolsOf(100, 'T').map((prefix) => symbolsOf(200, `${prefix}-`))
  const symbols = subscriptions.flat()
  const track = new PriceTrack()
  const client = await RawClient.open(server.api, track.takeMessage)
  for (const [i, of] of subscriptions.entries()) client.subscribe(String(i), thin, { s: of })
  await eventually(() => track.last.size === symbols.length, 'the first prices')
  client.stall()
  await tickUntilStuck(server, symbols)
  const heapAfter = async (rounds: number): Promise<number> => {
    for (let round = 0; round < rounds; round++) server.tick(...symbols)
    return (await collectedMemory()).heapUsed
  }
  // Fills the histories of the symbols, which are cut to their size with every seventeenth price.
  let before = await heapAfter(34)
  const grown: number[] = []
  for (let time = 0; time < 3; time++) {
    const now = await heapAfter(34)
    grown.push(now - before)
    before = now
  }
  // V8 may give the objects of all symbols another layout, once. What is held for each price grows each time.
  assert.ok(Math.min(...grown) < mebibyte, `${grown.join(', ')} bytes more are held`)
  client.cut()
})
