import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appOnTestYahoo } from '../../support/app.ts'
import { ask, eventually, post } from '../../support/clients/client.ts'
import type { Fault } from '../../support/yahoo/test-yahoo.ts'

/** 3 s are promised; the rest is for a machine that is busy. A time-out and its retries take 9 s. */
const promisedMs = 4000
/** Three attempts of 3 s and the pauses between them. */
const boundedMs = 13_000

const { app, yahoo, pass } = await appOnTestYahoo()

interface Answered {
  readonly stale: boolean
}

async function timed<T>(work: Promise<T>): Promise<{ answer: T; ms: number }> {
  const startedMs = performance.now()
  const answer = await work
  return { answer, ms: performance.now() - startedMs }
}

const known = `{ quote(symbol: "AAPL") { stale price } daily: candles(symbol: "AAPL", last: 5) { stale nodes { close } }
  adjusted: candles(symbol: "AAPL", interval: MINUTE_5, adjustment: SPLITS_AND_DIVIDENDS, last: 5) { stale nodes { close } } }`
const unknown = '{ quote(symbol: "NVDA") { stale } candles(symbol: "NVDA", last: 5) { stale } }'

type Known = Record<string, Answered & { readonly nodes?: readonly unknown[] }>

let round = 0
for (const [transport, send] of Object.entries({ HTTP: post, WebSocket: ask })) {
  for (const [how, fault] of Object.entries({
    'never answers': { hang: 'answer' },
    'begins an answer and goes no further': { hang: 'body' },
  } satisfies Record<string, Fault>)) {
    test(`while Yahoo ${how}, known data comes over ${transport} within 3 s as stale, at once when asked again, and fresh when Yahoo is back`, async () => {
      const fresh = await send<Known>(app.api, known)
      assert.deepEqual(
        Object.values(fresh.data ?? {}).map(({ stale }) => stale),
        [false, false, false],
      )
      // Candles are asked for again soon, and once for the splits of the next day.
      pass(++round % 2 === 0 ? 86_400_000 : 400_000)
      const heal = (['quote', 'chart'] as const).map((endpoint) => yahoo.fault(endpoint, fault))
      const first = await timed(send<Known>(app.api, known))
      assert.equal(first.answer.errors, undefined)
      for (const [name, { stale, nodes }] of Object.entries(first.answer.data ?? {})) {
        assert.equal(stale, true, name)
        if (nodes) assert.equal(nodes.length, 5, name)
      }
      assert.ok(first.ms < promisedMs, `${first.ms} ms`)
      const again = await timed(send<Known>(app.api, '{ quote(symbol: "AAPL") { stale } }'))
      assert.deepEqual(again.answer.data, { quote: { stale: true } })
      assert.ok(again.ms < 1500, `${again.ms} ms`)
      for (const end of heal) end()
      // What hangs still has its time-out; the breakers may have opened.
      const isFresh = async (): Promise<boolean> => {
        pass(5000)
        const { data } = await send<Known>(app.api, known)
        return Object.values(data ?? {}).every(({ stale }) => !stale)
      }
      await eventually(isFresh, 'fresh answers', 60_000)
    })
  }
}

for (const [transport, send] of Object.entries({ HTTP: post, WebSocket: ask })) {
  test(`while Yahoo hangs, unknown data is SOURCE_UNAVAILABLE in bounded time over ${transport}`, async () => {
    yahoo.fault('quote', { hang: 'answer' })
    yahoo.fault('chart', { hang: 'body' })
    const { answer, ms } = await timed(send(app.api, unknown))
    assert.deepEqual(
      answer.errors?.map(({ extensions }) => extensions.code),
      ['SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'],
    )
    assert.ok(ms < boundedMs, `${ms} ms`)
    yahoo.clearFaults()
  })
}
