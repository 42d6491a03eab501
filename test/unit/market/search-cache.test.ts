import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { InstrumentMatch } from '../../../src/domain/instrument.ts'
import { SearchCache } from '../../../src/market/search-cache.ts'

function start() {
  let nowMs = Date.UTC(2025, 2, 12, 15)
  const calls: string[] = []
  const counted: string[] = []
  let answer = async (text: string): Promise<InstrumentMatch[]> => [
    { symbol: text.toUpperCase(), name: null, kind: 'EQUITY', exchange: null },
  ]
  const cache = new SearchCache({
    now: () => nowMs,
    count: (result) => counted.push(result),
    source: {
      search: (text, limit) => {
        calls.push(`${text} ${limit}`)
        return answer(text)
      },
    },
  })
  return {
    cache,
    calls,
    counted,
    pass: (ms: number) => {
      nowMs += ms
    },
    answerBy: (next: typeof answer) => {
      answer = next
    },
  }
}

test('what was found is known for five minutes, by text and limit, and those who ask together share one search', async () => {
  const { cache, calls, counted, pass } = start()
  const [a, b] = await Promise.all([cache.find('apple', 10), cache.find('apple', 10)])
  assert.equal(a, b)
  await cache.find('apple', 5)
  await cache.find('pear', 10)
  pass(300_000)
  assert.deepEqual(
    (await cache.find('apple', 10)).map(({ symbol }) => symbol),
    ['APPLE'],
  )
  assert.deepEqual(calls, ['apple 10', 'apple 5', 'pear 10'])
  pass(1)
  await cache.find('apple', 10)
  assert.equal(calls.length, 4)
  assert.deepEqual(counted, ['miss', 'hit', 'miss', 'miss', 'hit', 'miss'])
})

test('during an outage what was found is served while it lives, and then the error; no error is remembered', async () => {
  const { cache, calls, pass, answerBy } = start()
  await cache.find('apple', 10)
  answerBy(() => Promise.reject(new FinstageError('SOURCE_UNAVAILABLE', 'away')))
  assert.equal((await cache.find('apple', 10)).length, 1)
  await assert.rejects(cache.find('pear', 10), { code: 'SOURCE_UNAVAILABLE' })
  pass(300_001)
  await assert.rejects(cache.find('apple', 10), { code: 'SOURCE_UNAVAILABLE' })
  answerBy(async () => [])
  assert.deepEqual(await cache.find('apple', 10), [])
  assert.equal(calls.length, 4)
})

test('a search that finds nothing is known too', async () => {
  const { cache, calls, answerBy } = start()
  answerBy(async () => [])
  for (let i = 0; i < 2; i++) assert.deepEqual(await cache.find('nothing', 10), [])
  assert.equal(calls.length, 1)
})
