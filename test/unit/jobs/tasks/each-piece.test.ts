import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError, symbolNotFound } from '../../../../src/domain/errors.ts'
import type { TaskContext } from '../../../../src/jobs/queue/define-task.ts'
import { eachPiece, type PiecesDone } from '../../../../src/jobs/tasks/each-piece.ts'
import { FairSlots } from '../../../../src/platform/concurrency/fair-slots.ts'
import { silentLog } from '../../../support/log.ts'

type Work = (symbol: string) => Promise<unknown>

/** A job of one piece for each symbol; its attempts share what they saved. */
function jobOf(symbols: readonly string[]) {
  const saved = new Map<string, unknown>()
  const asked: string[] = []
  const shares: number[] = []
  const attempt = (work: Work, over: Partial<TaskContext> = {}): Promise<PiecesDone<unknown>> => {
    const context: TaskContext = {
      ...{ jobId: 'job', signal: new AbortController().signal, log: silentLog, isLast: false },
      progress: (share) => shares.push(share),
      savedParts: async () => new Map(saved),
      savePart: async (name, result) => void saved.set(name, JSON.parse(JSON.stringify(result))),
      ...over,
    }
    asked.splice(0)
    shares.splice(0)
    const pieces = symbols.map((symbol) => ({ name: `piece ${symbol}`, symbol }))
    return eachPiece(pieces, new FairSlots(2), context, async ({ symbol }) => {
      asked.push(symbol)
      return work(symbol)
    })
  }
  return { attempt, asked, shares, saved }
}

const away = (): never => {
  throw new FinstageError('SOURCE_UNAVAILABLE', 'away')
}

test('what is done is not done again by the next attempt, and what failed for the moment is tried again alone', async () => {
  const { attempt, asked } = jobOf(['A', 'B', 'C'])
  const first = attempt(async (symbol) => (symbol === 'B' ? away() : `${symbol} 1`))
  await assert.rejects(first, { code: 'SOURCE_UNAVAILABLE' })
  assert.deepEqual(asked, ['A', 'B', 'C'])
  const { results, failures } = await attempt(async (symbol) => `${symbol} 2`)
  assert.deepEqual(asked, ['B'])
  assert.deepEqual(
    ['A', 'B', 'C'].map((symbol) => results.get(`piece ${symbol}`)),
    ['A 1', 'B 2', 'C 1'],
  )
  assert.deepEqual(failures, [])
})

test('what fails for good is kept, does not fail the rest and is not tried again', async () => {
  const { attempt, asked } = jobOf(['A', 'NOPE', 'C'])
  const work: Work = async (symbol) => {
    if (symbol === 'NOPE') throw symbolNotFound(symbol)
    return symbol === 'C' && asked.includes('A') ? away() : symbol
  }
  await assert.rejects(attempt(work), { code: 'SOURCE_UNAVAILABLE' })
  const { results, failures } = await attempt(work)
  assert.deepEqual(asked, ['C'])
  assert.deepEqual([...results.values()], ['A', 'C'])
  assert.deepEqual(failures, [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND', message: 'The source knows no symbol NOPE' }])
})

test('at the last attempt what failed for the moment is told under failures, in the order of the pieces', async () => {
  const { attempt } = jobOf(['A', 'B', 'C', 'D'])
  const work: Work = async (symbol) => {
    if (symbol === 'A') throw symbolNotFound(symbol)
    return symbol === 'D' ? symbol : away()
  }
  const { results, failures } = await attempt(work, { isLast: true })
  assert.deepEqual([...results.keys()], ['piece D'])
  assert.deepEqual(
    failures.map(({ symbol, code }) => [symbol, code]),
    [
      ['A', 'SYMBOL_NOT_FOUND'],
      ['B', 'SOURCE_UNAVAILABLE'],
      ['C', 'SOURCE_UNAVAILABLE'],
    ],
  )
})

test('where nothing has succeeded and something may yet, the last attempt fails', async () => {
  const { attempt } = jobOf(['A', 'NOPE'])
  const work: Work = async (symbol) => {
    if (symbol === 'NOPE') throw symbolNotFound(symbol)
    return away()
  }
  await assert.rejects(attempt(work, { isLast: true }), { code: 'SOURCE_UNAVAILABLE' })
})

test('a piece that fails for a reason nobody foresaw fails alone, and without its words', async () => {
  const { attempt } = jobOf(['A', 'B'])
  const { results, failures } = await attempt(async (symbol) => {
    if (symbol === 'A') throw new Error('secret')
    return symbol
  })
  assert.deepEqual([...results.values()], ['B'])
  assert.deepEqual(failures, [{ symbol: 'A', code: 'INTERNAL', message: 'Something went wrong with this symbol' }])
})

test('progress goes on by the pieces, from those that earlier attempts did, and never back', async () => {
  const { attempt, shares } = jobOf(['A', 'B', 'C', 'D'])
  await assert.rejects(attempt(async (symbol) => (symbol > 'B' ? away() : symbol)))
  assert.deepEqual([shares[0], shares.at(-1), shares.length], [0, 1, 5])
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  )
  await attempt(async (symbol) => symbol)
  assert.deepEqual([shares[0], shares.at(-1), shares.length], [0.5, 1, 3])
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  )
})

test('parts that an earlier attempt saved of other pieces count neither as progress nor as results', async () => {
  const { attempt, shares, saved } = jobOf(['A', 'B'])
  saved.set('piece of yesterday', { result: 'old' })
  const { results } = await attempt(async (symbol) => symbol)
  assert.deepEqual([...results.values()], ['A', 'B'])
  assert.deepEqual([shares[0], shares.at(-1)], [0, 1])
})

test('after an abort nothing more is begun, and the attempt fails with its reason', async () => {
  const { attempt, asked, saved } = jobOf(['A', 'B', 'C', 'D', 'E'])
  const abort = new AbortController()
  const work: Work = async (symbol) => {
    if (symbol === 'B') abort.abort(new Error('stopping'))
    abort.signal.throwIfAborted()
    return symbol
  }
  await assert.rejects(attempt(work, { signal: abort.signal }), { message: 'stopping' })
  assert.deepEqual(asked, ['A', 'B'])
  assert.ok(!saved.has('piece B'))
})

test('a part that can not be saved fails the attempt', async () => {
  const { attempt } = jobOf(['A'])
  const savePart = (): Promise<void> => Promise.reject(new Error('the database is away'))
  await assert.rejects(
    attempt(async (symbol) => symbol, { savePart }),
    { message: 'the database is away' },
  )
})
