import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Listing } from '../../../../src/domain/quote.ts'
import { ListingBatcher } from '../../../../src/market/quotes/listing-batcher.ts'
import { EventLoopTurns } from '../../../../src/platform/concurrency/event-loop-turns.ts'
import { listingOf } from '../../../support/candles/listing.ts'

/** A batcher on a mocked clock, over a source that knows every symbol but NONE. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let idleMs = 0
  const calls: string[][] = []
  let answer = async (symbols: readonly string[]): Promise<ReadonlyMap<string, Listing>> =>
    new Map(symbols.flatMap((symbol) => (symbol === 'NONE' ? [] : [[symbol, listingOf(symbol)] as const])))
  const fromMarket = answer
  const batcher = new ListingBatcher({
    spareMs: () => idleMs,
    source: {
      listings: (symbols) => {
        calls.push([...symbols])
        return answer(symbols)
      },
    },
  })
  const load = (...symbols: string[]) => symbols.map((symbol) => batcher.load(symbol))
  return {
    load,
    calls,
    /** Millisecond by millisecond, in which the loop is idle or is not. */
    pass(ms: number, idle = true) {
      for (let passed = 0; passed < ms; passed++) {
        if (idle) idleMs += 1
        t.mock.timers.tick(1)
      }
    },
    answerBy: (next: typeof answer) => {
      answer = next
    },
    answerFromMarket: () => {
      answer = fromMarket
    },
  }
}

test('what is asked for within 5 ms of each other goes upstream in one call, each symbol once', async (t) => {
  const { load, calls, pass } = start(t)
  const asked = load('A', 'B')
  pass(4)
  asked.push(...load('A', 'C'))
  pass(4)
  assert.deepEqual(calls, [])
  pass(1)
  assert.deepEqual(calls, [['A', 'B', 'C']])
  assert.deepEqual(
    (await Promise.all(asked)).map((listing) => listing?.instrument.symbol),
    ['A', 'B', 'A', 'C'],
  )
})

test('a symbol that is in the batch already does not make it wait longer', (t) => {
  const { load, calls, pass } = start(t)
  load('A')
  pass(4)
  load('A')
  pass(1)
  assert.deepEqual(calls, [['A']])
})

test('a batch waits 25 ms at most, however many symbols still come', (t) => {
  const { load, calls, pass } = start(t)
  for (let i = 0; i < 30; i++) {
    load(`S${i}`)
    pass(1)
  }
  assert.deepEqual(
    calls.map((call) => call.length),
    [25],
  )
})

test('100 symbols go upstream at once, and the next ones in a call of their own', (t) => {
  const { load, calls, pass } = start(t)
  load(...Array.from({ length: 250 }, (_, i) => `S${i}`))
  assert.deepEqual(
    calls.map((call) => call.length),
    [100, 100],
  )
  pass(25)
  assert.deepEqual(
    calls.map((call) => call.length),
    [100, 100, 50],
  )
})

test('what follows at once upon a batch is the rest of a burst, and is gathered for 25 ms; later it is 5 ms again', (t) => {
  const { load, calls, pass } = start(t)
  load('A')
  pass(5)
  load('B')
  pass(15)
  load('C')
  pass(10)
  assert.deepEqual(calls, [['A'], ['B', 'C']])
  pass(25)
  load('D')
  pass(5)
  assert.deepEqual(calls.at(-1), ['D'])
})

test('while the process has no idle moment a batch goes on gathering, for a second at most', (t) => {
  const { load, calls, pass } = start(t)
  load('A')
  pass(500, false)
  load('B')
  pass(499, false)
  assert.deepEqual(calls, [])
  pass(1, false)
  assert.deepEqual(calls, [['A', 'B']])
})

test('a symbol that the source does not know is undefined', async (t) => {
  const { load, pass } = start(t)
  const [known, unknown] = load('A', 'NONE')
  pass(5)
  assert.equal((await known)?.instrument.symbol, 'A')
  assert.equal(await unknown, undefined)
})

test('a call that fails, by throwing too, fails the symbols of its batch alone; one that hangs keeps nobody else', async (t) => {
  const { load, pass, answerBy, answerFromMarket } = start(t)
  answerBy(() => Promise.reject(new Error('away')))
  const failed = load('A', 'B')
  pass(25)
  answerBy(() => {
    throw new Error('broken')
  })
  const [broken] = load('C')
  pass(25)
  answerBy(() => new Promise(() => {}))
  const [hanging] = load('D')
  pass(25)
  answerFromMarket()
  const [fine] = load('E')
  pass(25)
  for (const each of failed) await assert.rejects(each, /away/)
  await assert.rejects(broken as Promise<unknown>, /broken/)
  assert.equal((await fine)?.instrument.symbol, 'E')
  assert.equal(await Promise.race([hanging, Promise.resolve('pending')]), 'pending')
})

test('work that waits for everything else does not hold up a batch, though the process is never idle', async () => {
  const turns = new EventLoopTurns(1)
  let isSent = false
  const batcher = new ListingBatcher({
    source: {
      listings: async () => {
        isSent = true
        return new Map()
      },
    },
  })
  const asker = { client: 'one' }
  const busy = (): void => {
    for (const startedMs = performance.now(); performance.now() - startedMs < 1; );
  }
  void batcher.load('A')
  let pieces = 0
  for (; !isSent && pieces < 2000; pieces++) await Promise.all([turns.run(asker, busy), turns.run(asker, busy)])
  assert.ok(pieces < 100, `${pieces} pieces of a millisecond`)
})
