import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FinstageError, symbolNotFound } from '../../../src/domain/errors.ts'
import type { TaskContext } from '../../../src/jobs/queue/define-task.ts'
import { eachPiece } from '../../../src/jobs/tasks/each-piece.ts'
import { FairSlots } from '../../../src/platform/concurrency/fair-slots.ts'
import { eventually, inTime } from '../../support/clients/client.ts'
import { owner, startQueue, type TestQueue, testTask, untilAborted } from '../../support/queue/queue.ts'

const slotCount = 4

/** What a test has happen to a symbol at an attempt; the result otherwise. */
type Work = (symbol: string, attempt: number, context: TaskContext) => Promise<unknown>

let queue: TestQueue
const works = new Map<string, Work>()
/** By job: the symbols that each attempt worked on. */
const asked = new Map<string, string[][]>()

before(async () => {
  const slots = new FairSlots(slotCount)
  const task = testTask(async ({ symbols, work }, context) => {
    const attempts = asked.get(context.jobId) ?? []
    asked.set(context.jobId, attempts)
    const attempt = attempts.push([])
    const pieces = (symbols as string[]).map((symbol) => ({ name: symbol, symbol }))
    const { results, failures } = await eachPiece(pieces, slots, context, async ({ symbol }) => {
      attempts[attempt - 1]?.push(symbol)
      return works.get(String(work))?.(symbol, attempt, context) ?? symbol
    })
    return { results: Object.fromEntries(results), failures }
  })
  // Tried again at once.
  queue = await startQueue({ tasks: [task], random: () => -1 })
})

after(async () => {
  await queue?.stop()
})

async function enqueue(symbols: readonly string[], work: Work, maxAttempts = 3): Promise<string> {
  const name = String(works.size)
  works.set(name, work)
  return (await queue.enqueue({ input: { symbols, work: name }, maxAttempts })).id
}

const away = (): never => {
  throw new FinstageError('SOURCE_UNAVAILABLE', 'away')
}
const partCount = async (id: string): Promise<number> => (await queue.runStore.parts(id)).size

test('symbols that are done are kept over attempts, and the one that failed for the moment is tried again alone', async () => {
  const id = await enqueue(['A', 'B', 'NOPE', 'D'], async (symbol, attempt) => {
    if (symbol === 'NOPE') throw symbolNotFound(symbol)
    return symbol === 'B' && attempt < 3 ? away() : `${symbol} of attempt ${attempt}`
  })
  const { state, attempt } = await queue.ended(id)
  assert.deepEqual([state, attempt], ['SUCCEEDED', 3])
  assert.deepEqual(asked.get(id), [['A', 'B', 'NOPE', 'D'], ['B'], ['B']])
  assert.deepEqual(await queue.store.result(id), {
    results: { A: 'A of attempt 1', B: 'B of attempt 3', D: 'D of attempt 1' },
    failures: [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND', message: 'The source knows no symbol NOPE' }],
  })
  assert.equal(await partCount(id), 0, 'nothing is left of the parts')
})

test('the last attempt tells under failures what still fails for the moment', async () => {
  const id = await enqueue(['A', 'B'], async (symbol) => (symbol === 'B' ? away() : symbol), 2)
  assert.equal((await queue.ended(id)).state, 'SUCCEEDED')
  assert.deepEqual(await queue.store.result(id), {
    results: { A: 'A' },
    failures: [{ symbol: 'B', code: 'SOURCE_UNAVAILABLE', message: 'away' }],
  })
})

test('where nothing has succeeded the last attempt fails', async () => {
  const id = await enqueue(['A', 'B'], away, 2)
  const { state, attempt, failure } = await queue.ended(id)
  assert.deepEqual([state, attempt, failure?.code], ['FAILED', 2, 'SOURCE_UNAVAILABLE'])
})

test('what a job had done before it was cancelled is not done again when its owner retries it', async () => {
  const begun = Promise.withResolvers<void>()
  const id = await enqueue(['A', 'B'], async (symbol, attempt, { signal }) => {
    if (symbol === 'A' || attempt > 1) return symbol
    begun.resolve()
    return untilAborted(signal)
  })
  await inTime(begun.promise, 'the beginning')
  await eventually(async () => (await partCount(id)) === 1, 'the first part')
  assert.equal((await queue.jobs.cancel(id, owner)).outcome, 'done')
  assert.equal((await queue.jobs.retry(id, owner)).outcome, 'done')
  assert.equal((await queue.ended(id)).state, 'SUCCEEDED')
  assert.deepEqual(asked.get(id), [['A', 'B'], ['B']])
})

test('progress goes from symbol to symbol, and never back within an attempt', async () => {
  const symbols = Array.from({ length: 20 }, (_, i) => `S${i}`)
  const id = await enqueue(symbols, async (symbol, attempt) => {
    await new Promise((resolve) => setTimeout(resolve, 60))
    return symbol === 'S19' && attempt === 1 ? away() : symbol
  })
  const changes = await queue.followed(id)
  for (const attempt of [1, 2]) {
    const shares = changes.filter((change) => change.attempt === attempt).map(({ progress }) => progress)
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    )
    if (attempt === 1) assert.ok(new Set(shares).size > 2, 'some are told in between')
  }
  const again = changes.filter(({ attempt, state }) => attempt === 2 && state === 'RUNNING')
  assert.equal(again[0]?.progress, 0)
  assert.equal(changes.at(-1)?.progress, 1)
})

test('a job of one symbol beside one of 500 is done after its turn, not after the 500', async () => {
  let doneOfBig = 0
  const full = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const big = await enqueue(
    Array.from({ length: 500 }, (_, i) => `S${i}`),
    async (symbol) => {
      if (symbol === `S${slotCount - 1}`) full.resolve()
      await goOn.promise
      doneOfBig += 1
      return symbol
    },
  )
  await inTime(full.promise, 'that the big job has all slots')
  let doneBefore = Number.NaN
  const small = await enqueue(['ONE'], async (symbol) => {
    doneBefore = doneOfBig
    return symbol
  })
  while (!asked.has(small)) await new Promise(setImmediate)
  goOn.resolve()
  assert.equal((await queue.ended(small)).state, 'SUCCEEDED')
  assert.ok(doneBefore <= slotCount, `${doneBefore} of the 500 were done before`)
  assert.equal((await queue.ended(big)).state, 'SUCCEEDED')
})
