import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { rehearseChart } from '../../../src/app/rehearsal.ts'

for (const MARKET_SOURCE of ['yahoo', 'simulated'] as const) {
  test(`the rehearsal gets the chart that it asks for and calls nobody (${MARKET_SOURCE})`, async () => {
    const call = mock.method(globalThis, 'fetch', () => Promise.reject(new Error('a call')))
    try {
      const answer = JSON.parse(await rehearseChart({ MARKET_SOURCE }))
      const { stale, columns } = answer.data.candles
      assert.equal(answer.errors, undefined)
      assert.equal(stale, false)
      for (const name of ['time', 'open', 'high', 'low', 'close', 'volume'])
        assert.equal(columns[name].length, 30, name)
      assert.equal(call.mock.callCount(), 0)
    } finally {
      call.mock.restore()
    }
  })
}
