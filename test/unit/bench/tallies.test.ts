import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeatTally } from '../../../bench/many/tally.ts'
import { type MessageTally, PriceTally, TickClock } from '../../../bench/support/price-tally.ts'

const price = Buffer.from(
  '{"id":"x","type":"next","payload":{"data":{"priceUpdates":{"symbol":"A","seq":7,"publishedAt":1000,"price":1}}}}',
)
const clock = new TickClock(1)
const tallies: Readonly<Record<string, MessageTally>> = {
  'of one symbol for each client': new PriceTally(),
  'of many symbols for each client': new SeatTally(['A'], 1, [clock]),
}

for (const [name, tally] of Object.entries(tallies)) {
  test(`a tally ${name} takes no message for a price because of bytes that stand behind it`, () => {
    const reader = { id: 'x', symbol: 'A', clock, seq: null as number | null, missing: 0, index: 0, symbols: [0] }
    assert.equal(tally.take(price, 0, price.length, reader), true)
    assert.equal(reader.seq, 7)
    reader.seq = null
    const acknowledged = Buffer.from('{"type":"connection_ack"}')
    // Sockets share a buffer: an earlier read has left a price in it.
    const bytes = Buffer.concat([acknowledged, price.subarray(acknowledged.length)])
    assert.equal(tally.take(bytes, 0, acknowledged.length, reader), false)
    assert.equal(reader.seq, null)
  })
}
