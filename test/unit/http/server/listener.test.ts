import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { test } from 'node:test'
import { Listener } from '../../../../src/http/server/listener.ts'
import { turns } from '../../../../src/resolvers/rows.ts'

const pieceMs = 5

test('connections that come at once beside long work do not each wait for a turn of it', async () => {
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 100,
    serve: (_request, response) => response.end(),
  })
  await listener.start()
  let pieces = 0
  let isOver = false
  const piece = (): void => {
    pieces++
    for (const startedMs = performance.now(); performance.now() - startedMs < pieceMs; );
  }
  const caller = { client: 'of long work' }
  const work = (async () => {
    while (!isOver) await turns.goOn(caller, piece)
  })()
  try {
    const answers = Array.from({ length: 10 }, async () => {
      const [response] = await once(get(listener.origin, { agent: false }), 'response')
      response.resume()
      return pieces
    })
    const first = await Promise.race(answers)
    const last = Math.max(...(await Promise.all(answers)))
    assert.ok(last - first <= 4, `${last - first} pieces between the first answer and the last`)
  } finally {
    isOver = true
    await work
    await listener.stop()
  }
})
