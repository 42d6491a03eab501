import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventually } from '../../support/clients/client.ts'
import { type PriceServer, startPriceServer } from '../../support/clients/price-server.ts'
import { PriceTrack } from '../../support/clients/price-track.ts'
import { RawClient } from '../../support/clients/raw-client.ts'
import { fat, symbolsOf, thin } from '../../support/clients/stalled-readers.ts'

const documents = [
  thin,
  fat,
  ...['price', 'price change', 'last: price stale'].map((more) => thin.replace('seq', `seq ${more}`)),
]
const symbols = symbolsOf(40)
/** All clients have this one, so that an update of it takes more than one turn. */
const hot = 'HOT'

/** Repeats from run to run: a multiplicative generator modulo 2^31 - 1 (S. K. Park and K. W. Miller, 1988). */
function dice(seed: number): (count: number) => number {
  let state = seed
  return (count) => {
    state = (state * 48_271) % 2_147_483_647
    return state % count
  }
}

/** A client that may end its subscription and begin another on the same connection. */
class Reader {
  readonly client: RawClient
  symbols: readonly string[] = []
  track = new PriceTrack()
  /** Of all its subscriptions. */
  received = 0
  #subscriptions = 0

  private constructor(client: RawClient) {
    this.client = client
  }

  static async open(api: string): Promise<Reader> {
    const reader: Reader = new Reader(
      await RawClient.open(api, ({ id, ...message }) => {
        reader.received += 1
        if (id === String(reader.#subscriptions)) reader.track.takeMessage(message)
      }),
    )
    return reader
  }

  subscribe(below: (count: number) => number): void {
    if (this.#subscriptions > 0) this.client.complete(String(this.#subscriptions))
    this.#subscriptions += 1
    this.track = new PriceTrack()
    this.symbols = [hot, ...new Set(Array.from({ length: 20 }, () => symbols[below(symbols.length)] as string))]
    const document = documents[below(documents.length)] as string
    this.client.subscribe(String(this.#subscriptions), document, { s: this.symbols })
  }

  hasNewest(server: PriceServer): boolean {
    return this.symbols.every((symbol) => this.track.seqOf(symbol) === server.seqOf(symbol))
  }
}

test('clients of many documents that join, stall and change their subscriptions amid fan-out end with the newest of each symbol, and read all that was written', async () => {
  const below = dice(20_261_201)
  await using server = await startPriceServer()
  const readers: Reader[] = []
  const join = async (): Promise<void> => {
    const reader = await Reader.open(server.api)
    readers.push(reader)
    reader.subscribe(below)
  }
  while (readers.length < 280) await join()
  for (let round = 0; round < 60; round++) {
    for (let tick = 0; tick < 5; tick++) server.tick(hot, symbols[below(symbols.length)] as string)
    const reader = readers[below(readers.length)] as Reader
    const does = below(6)
    if (does === 0) await join()
    else if (does === 1) reader.client.stall()
    else if (does === 2) reader.client.readOn()
    else if (does === 3) reader.subscribe(below)
    for (let turn = below(4); turn > 0; turn--) await nextTurn()
  }
  for (const { client } of readers) client.readOn()
  server.tick(hot, ...symbols)
  await eventually(() => readers.every((reader) => reader.hasNewest(server)), 'the newest for everybody')
  for (const { track } of readers) assert.deepEqual(track.faults, { repeated: 0, outOfOrder: 0 })
  assert.equal(
    await server.metric('finstage_shared_messages_total'),
    readers.reduce((sum, { received }) => sum + received, 0),
  )
  for (const { client } of readers) client.cut()
  await server.deserted()
})
