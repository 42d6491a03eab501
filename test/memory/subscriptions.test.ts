import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { simulatedInstruments } from '../../src/market/simulated/instruments/instruments.ts'
import { startApp } from '../support/app.ts'
import { eventually, metric } from '../support/clients/client.ts'
import { RawClient } from '../support/clients/raw-client.ts'
import { collectedMemory } from '../support/collected-memory.ts'
import { createTestDatabase } from '../support/database/database.ts'

const symbolCount = 300
const symbols = [...simulatedInstruments(symbolCount, 1).keys()]

const database = await createTestDatabase()
const app = await startApp({
  ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_SYMBOLS: String(symbolCount) },
  SIMULATED_TICKS_PER_SECOND: '3',
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

test('subscriptions that come and go, each with other symbols and another document, leave no memory behind', async () => {
  let begun = 0
  let answered = 0
  const clients: { client: RawClient; open: string[] }[] = []
  const take = ({ type, payload }: { type: string; payload?: unknown }): void => {
    assert.equal(type, 'next', JSON.stringify(payload))
    answered += 1
  }
  const begin = ({ client, open }: (typeof clients)[number]): void => {
    const id = String(begun++)
    const wanted = Array.from({ length: 15 }, (_, i) => symbols[(begun * 7 + i * 20) % symbolCount])
    client.subscribe(id, `subscription($symbols: [Symbol!]!) { priceUpdates(symbols: $symbols) { a${id}: price } }`, {
      symbols: wanted,
    })
    open.push(id)
  }
  const churn = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      for (const each of clients) {
        each.client.complete(each.open.shift() ?? '')
        begin(each)
      }
      await sleep(20)
    }
  }
  for (let i = 0; i < 6; i++) clients.push({ client: await RawClient.open(app.api, take), open: [] })
  for (const each of clients) for (let i = 0; i < 10; i++) begin(each)
  // Each symbol has been watched once by then: what the market keeps of it stays.
  await churn(150)
  await eventually(
    async () => (await metric(app.metrics, 'finstage_watched_symbols')) === symbolCount,
    'all symbols are watched',
  )
  const before = await collectedMemory()
  const [begunBefore, answeredBefore] = [begun, answered]
  await churn(400)
  const later = await collectedMemory()
  const megabytes = (later.arrayBuffers - before.arrayBuffers) / 1e6
  assert.ok(begun - begunBefore >= 2400 && answered - answeredBefore > begun - begunBefore)
  assert.ok(megabytes < 5, `${megabytes} MB more are kept outside of the heap`)
  for (const { client } of clients) client.cut()
})
