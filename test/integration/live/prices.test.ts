import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { appOnTestYahoo } from '../../support/app.ts'
import { eventually, inTime, metric, subscribe } from '../../support/clients/client.ts'

const { app, yahoo } = await appOnTestYahoo()

interface Update {
  priceUpdates: { kind: string; symbol: string; price: number; seq: number; stale: boolean; publishedAt: number }
}

const watch = (...symbols: string[]): string =>
  `subscription { priceUpdates(symbols: ${JSON.stringify(symbols)}) { kind symbol price seq stale publishedAt quote { price } } }`

/** Nobody watches anything, on the feed's side too. */
const nothingWatched = async (): Promise<boolean> =>
  (await metric(app.metrics, 'finstage_price_subscriptions')) === 0 &&
  (await metric(app.metrics, 'finstage_watched_symbols')) === 0 &&
  (await metric(app.metrics, 'finstage_feed_symbols')) === 0

test('a subscriber gets the current price of each symbol as SNAPSHOT, then ticks whose seq counts up by one', async () => {
  yahoo.setPrice('AAPL', 200)
  await using stream = subscribe<Update>(app.api, watch('AAPL', 'MSFT'))
  const first = [await stream.next(), await stream.next()].map(({ data }) => data?.priceUpdates)
  assert.deepEqual(first.map((update) => [update?.kind, update?.symbol]).sort(), [
    ['SNAPSHOT', 'AAPL'],
    ['SNAPSHOT', 'MSFT'],
  ])
  let { seq } = first.find((update) => update?.symbol === 'AAPL') ?? { seq: Number.NaN }
  for (const price of [201, 202, 203]) {
    yahoo.setPrice('AAPL', price)
    const { priceUpdates } = await stream.until((data) => data.priceUpdates.symbol === 'AAPL')
    seq += 1
    assert.deepEqual([priceUpdates.kind, priceUpdates.price, priceUpdates.seq], ['TICK', price, seq])
  }
})

test('a price that changes at the source reaches a graphql-ws client within 2 s', async () => {
  await using stream = subscribe<Update>(app.api, watch('AAPL'))
  await stream.next()
  for (let round = 1; round <= 3; round++) {
    const changedMs = Date.now()
    yahoo.setPrice('AAPL', 300 + round)
    const { priceUpdates } = await stream.until((data) => data.priceUpdates.price === 300 + round)
    assert.ok(Date.now() - changedMs < 2000, `${Date.now() - changedMs} ms`)
    assert.ok(priceUpdates.publishedAt >= changedMs)
  }
})

test('a subscription over SSE gets what one over graphql-ws gets', async () => {
  yahoo.setPrice('BTC-USD', 90_000)
  const stop = new AbortController()
  const response = await fetch(`${app.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: watch('BTC-USD') }),
    signal: stop.signal,
  })
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const updates: Update['priceUpdates'][] = []
  let text = ''
  const reading = (async () => {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1]
        text = text.slice(end + 2)
        if (data) updates.push(JSON.parse(data).data.priceUpdates)
        if (updates.length === 1) yahoo.setPrice('BTC-USD', 91_000)
        if (updates.length === 2) return
      }
    }
  })()
  await inTime(reading, 'two events')
  stop.abort()
  assert.deepEqual(
    updates.map(({ kind, price }) => [kind, price]),
    [
      ['SNAPSHOT', 90_000],
      ['TICK', 91_000],
    ],
  )
  assert.equal(updates[1]?.seq, (updates[0]?.seq ?? 0) + 1)
  await eventually(nothingWatched, 'nothing is left of a client that went away')
})

test('an unknown symbol refuses the subscription, is named in the error, and leaves nothing behind', async () => {
  await using stream = subscribe(app.api, watch('AAPL', 'NOPE'))
  const { errors, data } = await stream.next()
  assert.equal(data ?? null, null)
  assert.deepEqual(
    errors?.map(({ extensions }) => [extensions.code, extensions.symbol]),
    [['SYMBOL_NOT_FOUND', 'NOPE']],
  )
  assert.match(errors?.[0]?.message ?? '', /NOPE/)
  await eventually(nothingWatched, 'nothing is left of a refused subscription')
})

test('a price that cannot be true is not told, leaves no gap in the numbers, and is counted', async () => {
  yahoo.setPrice('VOD.L', 70)
  await using stream = subscribe<Update>(app.api, watch('VOD.L'))
  const first = (await stream.next()).data?.priceUpdates
  const refused = () => metric(app.metrics, 'finstage_quarantined_total', 'reason="negative price"')
  const before = await refused()
  yahoo.setPrice('VOD.L', -70)
  await eventually(async () => (await refused()) > before, 'the price is refused')
  yahoo.setPrice('VOD.L', 71)
  const next = (await stream.next()).data?.priceUpdates
  assert.deepEqual([next?.price, next?.seq], [71, (first?.seq ?? Number.NaN) + 1])
})

test('no symbols and more than 200 of them are BAD_USER_INPUT', async () => {
  for (const symbols of [[], Array.from({ length: 201 }, (_, i) => `S${i}`)]) {
    await using stream = subscribe(app.api, watch(...symbols))
    assert.equal((await stream.next()).errors?.[0]?.extensions.code, 'BAD_USER_INPUT')
  }
})

test('nothing is polled that nobody watches; all that is watched is polled in one request', async () => {
  await eventually(nothingWatched, 'the clients before are gone')
  const idle = yahoo.requestsTo('quote').length
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.equal(yahoo.requestsTo('quote').length, idle)

  await using one = subscribe<Update>(app.api, watch('AAPL', 'MSFT'))
  await using two = subscribe<Update>(app.api, watch('MSFT', '^GSPC'))
  for (const stream of [one, two]) await stream.next()
  const seen = yahoo.requestsTo('quote').length
  await yahoo.received('quote', seen + 2)
  for (const { query } of yahoo.requestsTo('quote').slice(seen)) {
    assert.deepEqual(query.symbols?.split(',').sort(), ['AAPL', 'MSFT', '^GSPC'])
  }
})

test('a client that unsubscribes and one whose socket is cut leave nothing behind, and the others go on', async () => {
  await using stays = subscribe<Update>(app.api, watch('AAPL'))
  await stays.next()
  const leaves = subscribe<Update>(app.api, watch('AAPL', 'MSFT'))
  await leaves.next()
  await leaves.close()

  const socket = new WebSocket(`${app.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await inTime(once(socket, 'open'), 'the socket')
  socket.send(JSON.stringify({ type: 'connection_init' }))
  await inTime(once(socket, 'message'), 'the acknowledgement')
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: watch('^GSPC') } }))
  await inTime(once(socket, 'message'), 'a price')
  // Mid-stream and without a word: the connection is gone, no close frame was sent.
  socket.terminate()
  await eventually(async () => (await metric(app.metrics, 'finstage_price_subscriptions')) === 1, 'one subscription')
  await eventually(async () => (await metric(app.metrics, 'finstage_feed_symbols')) === 1, 'one symbol')

  yahoo.setPrice('AAPL', 555)
  await stays.until((data) => data.priceUpdates.price === 555)
})

test('when the source goes away the price is told once more as stale, and again when it is back', async () => {
  await using stream = subscribe<Update>(app.api, watch('MSFT'))
  const first = await stream.next()
  const clear = yahoo.fault('quote', { status: 500 })
  const stale = await stream.until((data) => data.priceUpdates.stale)
  assert.deepEqual([stale.priceUpdates.kind, stale.priceUpdates.price], ['STATUS', first.data?.priceUpdates.price])
  clear()
  const back = await stream.until((data) => !data.priceUpdates.stale)
  assert.equal(back.priceUpdates.seq, stale.priceUpdates.seq + 1)
})
