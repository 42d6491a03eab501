import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Ports } from '../../../src/resolvers/context.ts'
import { listingOf } from '../../support/candles/listing.ts'
import { eventually } from '../../support/clients/client.ts'
import { askHttp } from '../../support/clients/http-answer.ts'
import { startPriceServer } from '../../support/clients/price-server.ts'
import { RawClient } from '../../support/clients/raw-client.ts'

const query = '{ quote(symbol: "SLOW") { symbol } }'
const body = JSON.stringify({ query })

const post = `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
const get = `GET /graphql?query=${encodeURIComponent(query)} HTTP/1.1\r\nhost: localhost\r\n\r\n`

/** A server whose quote comes when `answer` is called. */
async function serving() {
  let asked = 0
  let opened = Promise.withResolvers<void>()
  const listing = async (symbol: string) => {
    asked += 1
    await opened.promise
    return listingOf(symbol)
  }
  const server = await startPriceServer({ ports: { market: { listing } as unknown as Ports['market'] } })
  const answer = (): void => {
    opened.resolve()
    opened = Promise.withResolvers()
  }
  const counted = (outcome: string) => server.metric('finstage_requests_total', { outcome })
  return { server, answer, counted, asked: () => asked, [Symbol.asyncDispose]: () => server.stop() }
}

test('an operation whose client goes before its answer counts as dropped, once, on every way; one that is answered does not', async () => {
  await using at = await serving()
  const { server, answer, counted } = at
  const port = Number(new URL(server.api).port)
  let dropped = 0
  const isAsked = async (times: number): Promise<void> => {
    await eventually(
      () => at.asked() === times,
      () => `${at.asked()} of ${times} asked`,
    )
  }
  const isCounted = async (): Promise<void> => {
    dropped += 1
    await eventually(async () => (await counted('dropped')) === dropped, `${dropped} that were dropped`)
    answer()
  }
  const goesAfter = async (request: string): Promise<void> => {
    const before = at.asked()
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(request)
    await isAsked(before + 1)
    socket.destroy()
    await isCounted()
  }
  const goesFromSocket = async (): Promise<void> => {
    const before = at.asked()
    const client = await RawClient.open(server.api, () => {})
    client.subscribe('1', query)
    await isAsked(before + 1)
    client.cut()
    await isCounted()
  }
  // The first of each goes through Yoga: its document is not known yet.
  await goesAfter(post)
  const answered = askHttp(`${server.api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  await isAsked(2)
  answer()
  assert.equal((await answered).text, '{"data":{"quote":{"symbol":"SLOW"}}}')
  await goesAfter(post)
  await goesAfter(get)
  await goesFromSocket()
  assert.equal(await counted('ok'), 1)
  assert.equal(await counted('error'), 0)
})
