import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { FairSlots } from '../../../../src/platform/concurrency/fair-slots.ts'

interface Piece {
  readonly job: string
  readonly result: Promise<string>
  readonly controller: AbortController
  readonly end: () => void
}

/** Slots, and pieces of work that end when they are told to. Pieces are called A1, A2, ... by their jobs. */
function open(count: number) {
  const slots = new FairSlots(count)
  const started: string[] = []
  const running = new Map<string, Piece>()
  const waiting = new Map<string, Piece>()
  const asked = new Map<string, number>()
  const runningOf = (job: string) => [...running.values()].filter((piece) => piece.job === job).length

  function ask(job: string): Piece {
    const number = (asked.get(job) ?? 0) + 1
    asked.set(job, number)
    const name = `${job}${number}`
    const ended = Promise.withResolvers<string>()
    const controller = new AbortController()
    const work = (): Promise<string> => {
      started.push(name)
      waiting.delete(name)
      running.set(name, piece)
      return ended.promise
    }
    const end = (): void => {
      running.delete(name)
      ended.resolve(name)
    }
    const piece: Piece = { job, controller, end, result: slots.run(job, work, controller.signal) }
    waiting.set(name, piece)
    controller.signal.addEventListener('abort', () => waiting.delete(name))
    return piece
  }

  return {
    slots,
    started,
    running,
    waiting,
    runningOf,
    ask,
    /** So many pieces of a job, and what then runs has begun. */
    async askMany(job: string, count: number): Promise<Piece[]> {
      const pieces = Array.from({ length: count }, () => ask(job))
      await nextTurn()
      return pieces
    },
    async end(name: string): Promise<void> {
      running.get(name)?.end()
      await nextTurn()
    },
  }
}

test('the result of the work is given, and what it throws is thrown, at once or later', async () => {
  const slots = new FairSlots(1)
  assert.equal(await slots.run('A', async () => 1), 1)
  const later = new Error('later')
  const atOnce = new Error('at once')
  await assert.rejects(
    slots.run('A', () => Promise.reject(later)),
    later,
  )
  const thrower = (): never => {
    throw atOnce
  }
  await assert.rejects(slots.run('A', thrower), atOnce)
  assert.equal(await slots.run('A', async () => 2), 2, 'the slot is free again')
})

test('one job alone has all the slots, and its pieces are run in their order', async () => {
  const { started, askMany, end } = open(3)
  await askMany('A', 5)
  assert.deepEqual(started, ['A1', 'A2', 'A3'])
  await end('A2')
  await end('A1')
  assert.deepEqual(started, ['A1', 'A2', 'A3', 'A4', 'A5'])
})

for (const count of [1, 4]) {
  test(`a job of one piece gets the next free slot of ${count} while a job of 500 waits for them all`, async () => {
    const { started, askMany, end } = open(count)
    await askMany('A', 500)
    await end('A1')
    await askMany('B', 1)
    assert.equal(started.length, count + 1)
    await end('A2')
    assert.equal(started.at(-1), 'B1')
  })
}

test('a job gets what another one gives back until both have as many', async () => {
  const { started, askMany, end } = open(4)
  await askMany('A', 20)
  await askMany('B', 20)
  for (const name of ['A1', 'A2', 'A3']) await end(name)
  assert.deepEqual(started.slice(4), ['B1', 'B2', 'A5'])
})

test('jobs that have as many take turns', async () => {
  const { started, askMany, end } = open(1)
  for (const job of ['A', 'B', 'C']) await askMany(job, 3)
  for (let i = 0; i < 9; i++) await end(started[i] ?? '')
  assert.deepEqual(started, ['A1', 'B1', 'C1', 'A2', 'B2', 'C2', 'A3', 'B3', 'C3'])
})

test('a job that always asks for one piece more does not go before one that has waited', async () => {
  const { started, askMany, end } = open(1)
  await askMany('A', 2)
  await askMany('B', 1)
  await end('A1')
  await askMany('C', 1)
  await end('B1')
  await askMany('B', 1)
  await end('A2')
  await end('C1')
  assert.deepEqual(started, ['A1', 'B1', 'A2', 'C1', 'B2'])
})

test('an abort takes what waits out of the queue, with its reason, and leaves the others in it', async () => {
  const { started, askMany, end } = open(1)
  const [, second, third] = await askMany('A', 3)
  const reason = new Error('not wanted any more')
  second?.controller.abort(reason)
  await assert.rejects(second?.result ?? Promise.resolve(), reason)
  assert.deepEqual(started, ['A1'])
  await end('A1')
  assert.deepEqual(started, ['A1', 'A3'])
  await end('A3')
  assert.equal(await third?.result, 'A3')
})

test('what is aborted before it is asked for is rejected at once, and not run', async () => {
  const { slots, askMany, started, end } = open(1)
  await askMany('A', 1)
  const reason = new Error('too late')
  await assert.rejects(
    slots.run('A', () => assert.fail('was run'), AbortSignal.abort(reason)),
    reason,
  )
  await askMany('B', 1)
  await end('A1')
  assert.deepEqual(started, ['A1', 'B1'])
})

test('from the moment of its abort nothing is begun, be it just getting its turn, and the slot goes on to the next', async () => {
  const outcomes = new Set<string>()
  for (let microtasks = 0; microtasks < 20; microtasks++) {
    const { askMany, started, running } = open(1)
    const [, second] = await askMany('A', 3)
    running.get('A1')?.end()
    for (let i = 0; i < microtasks; i++) await Promise.resolve()
    const begunBefore = started.includes('A2')
    second?.controller.abort(new Error('now'))
    if (begunBefore) running.get('A2')?.end()
    outcomes.add((await second?.result.catch((error: Error) => error.message)) ?? '')
    await nextTurn()
    assert.deepEqual(started, begunBefore ? ['A1', 'A2', 'A3'] : ['A1', 'A3'])
  }
  assert.deepEqual([...outcomes], ['now', 'A2'])
})

test('what runs is not stopped by an abort: its slot is taken until it ends', async () => {
  const { askMany, started, end } = open(1)
  const [first] = await askMany('A', 2)
  first?.controller.abort()
  await nextTurn()
  assert.deepEqual(started, ['A1'])
  await end('A1')
  assert.equal(await first?.result, 'A1')
  assert.deepEqual(started, ['A1', 'A2'])
})

test('of a signal that outlives the work no listeners are left', async () => {
  const slots = new FairSlots(1)
  const { signal } = new AbortController()
  await Promise.all([1, 2, 3].map((n) => slots.run('A', async () => n, signal)))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

const numRuns = Number(process.env.PROPERTY_RUNS ?? 100)
const anyJob = fc.constantFrom('A', 'B', 'C', 'D')
const anyPiece = fc.nat()
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), job: anyJob }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), piece: anyPiece }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), piece: anyPiece }) },
  ),
  { maxLength: 80, size: 'max' },
)

const nth = <T>(items: Iterable<T>, index: number): T | undefined => {
  const all = [...items]
  return all[index % Math.max(1, all.length)]
}

test('whatever comes, ends and is aborted: no slot is exceeded or idle, none is lost, and the rule holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), steps, async (count, steps) => {
      const { ask, started, running, waiting, runningOf } = open(count)
      const pieces: Piece[] = []
      const aborted = new Set<Piece>()
      /** For each job that waits and runs nothing: who has got a slot since. */
      const passedBy = new Map<string, Set<string>>()

      for (const step of steps) {
        const startedBefore = started.length
        if (step.kind === 'ask') pieces.push(ask(step.job))
        if (step.kind === 'end') nth(running.values(), step.piece)?.end()
        if (step.kind === 'abort') {
          const piece = nth(waiting.values(), step.piece)
          if (piece) {
            aborted.add(piece)
            piece.controller.abort(piece)
            assert.equal(await piece.result.catch((reason: unknown) => reason), piece)
          }
        }
        await nextTurn()

        assert.ok(running.size <= count)
        assert.ok(running.size === count || waiting.size === 0, 'a slot is free and something waits')
        const waitingJobs = new Set([...waiting.values()].map(({ job }) => job))
        for (const name of started.slice(startedBefore)) {
          const job = name.slice(0, 1)
          for (const other of waitingJobs) {
            if (other === job) continue
            assert.ok(runningOf(job) - 1 <= runningOf(other), `${job} had more than ${other}, and got a slot`)
            if (runningOf(other) > 0) continue
            assert.ok(!passedBy.get(other)?.has(job), `${job} got a second slot while ${other} waited for its first`)
            passedBy.set(other, (passedBy.get(other) ?? new Set()).add(job))
          }
        }
        for (const job of passedBy.keys()) if (!waitingJobs.has(job) || runningOf(job) > 0) passedBy.delete(job)
      }

      while (running.size > 0) {
        for (const piece of running.values()) piece.end()
        await nextTurn()
      }
      const done = pieces.filter((piece) => !aborted.has(piece))
      const results = await Promise.all(done.map((piece) => piece.result))
      assert.deepEqual([...started].sort(), [...results].sort(), 'each is run once')
      for (const job of ['A', 'B', 'C', 'D']) {
        const numbers = started.filter((name) => name.startsWith(job)).map((name) => Number(name.slice(1)))
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          `the order of ${job}`,
        )
      }
    }),
    { numRuns },
  )
})

test('of jobs that always have work waiting each holds its share of the slots within one, whatever ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 6 }),
      fc.array(anyPiece, { maxLength: 60, size: 'max' }),
      async (count, jobCount, ends) => {
        const { askMany, running, runningOf } = open(count)
        await askMany('blocker', count)
        const jobs = Array.from({ length: jobCount }, (_, i) => `J${i}-`)
        for (const job of jobs) await askMany(job, count + ends.length)
        for (const piece of running.values()) piece.end()
        await nextTurn()
        for (const end of [...ends, 0]) {
          for (const job of jobs) {
            const held = runningOf(job)
            assert.ok(Math.abs(held - count / jobCount) < 1, `${job} holds ${held} of ${count}, of ${jobCount} jobs`)
          }
          nth(running.values(), end)?.end()
          await nextTurn()
        }
      },
    ),
    { numRuns },
  )
})

test('work begins only where it may, and is looked at again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let may = false
  const slots = new FairSlots(3, () => may)
  const begun: string[] = []
  const end = Promise.withResolvers<void>()
  const run = (name: string): Promise<void> =>
    slots.run(name, () => {
      begun.push(name)
      return end.promise
    })
  const works = ['A', 'B', 'C'].map(run)
  await nextTurn()
  t.mock.timers.tick(2)
  await nextTurn()
  assert.deepEqual(begun, [])
  may = true
  t.mock.timers.tick(2)
  await nextTurn()
  assert.deepEqual(begun, ['A', 'B', 'C'])
  end.resolve()
  await Promise.all(works)
})
