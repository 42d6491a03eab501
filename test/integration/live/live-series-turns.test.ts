import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { simulatedInstruments } from '../../../src/market/simulated/instruments/instruments.ts'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({
  ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', TRUST_PROXY: '127.0.0.1' },
  ...{ MAX_STANDING_POINTS_PER_CONNECTION: '1000000', MAX_STANDING_POINTS_PER_CLIENT: '1000000' },
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

const seriesCount = 40
const [quoted, ...followed] = [...simulatedInstruments(100, 1).keys()]
const indicators = ['sma', 'wma', 'cci', 'mfi', 'bollingerBands'].map((name) =>
  name === 'bollingerBands' ? 'bollingerBands(period: 1000) { upper }' : `${name}(period: 1000)`,
)

async function quote(): Promise<void> {
  const response = await fetch(`${app.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '10.0.0.2' },
    body: JSON.stringify({ query: `{ quote(symbol: "${quoted}") { price } }` }),
  })
  assert.match(await response.text(), /"price":/)
}

test('forty live series with indicators of period 1,000 begin in turns: meanwhile another client gets its quotes', async () => {
  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    headers: { 'x-forwarded-for': '10.0.0.1' },
  })
  const begun = new Set<string>()
  let isAcknowledged = false
  socket.on('message', (data) => {
    const { type, id, payload } = JSON.parse(String(data))
    if (type === 'connection_ack') isAcknowledged = true
    if (type === 'next') assert.ok(payload.data && begun.add(id), JSON.stringify(payload).slice(0, 500))
  })
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  await eventually(() => isAcknowledged, 'the socket')
  await quote()
  for (let i = 0; i < seriesCount; i++) {
    const query = `subscription { candleUpdates(symbol: "${followed[i]}") { candle { close } series { columns { ${indicators.join(' ')} } } } }`
    socket.send(JSON.stringify({ id: String(i), type: 'subscribe', payload: { query } }))
  }
  let quotes = 0
  while (begun.size < seriesCount) {
    await quote()
    quotes += 1
  }
  assert.ok(quotes >= seriesCount, `${quotes} quotes while ${seriesCount} series began`)
  socket.terminate()
})
