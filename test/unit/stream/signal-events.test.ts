import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SignalKind, StoredSignal } from '../../../src/domain/analysis/signal.ts'
import { FinstageError } from '../../../src/domain/errors.ts'
import { changeOf, type Job, type JobState } from '../../../src/domain/job.ts'
import { LocalBus } from '../../../src/stream/local-bus.ts'
import { SignalEvents } from '../../../src/stream/signal-events.ts'
import { eventually } from '../../support/clients/client.ts'
import { signalOf } from '../../support/findings.ts'
import { silentLog } from '../../support/log.ts'

/** A read that the test answers. */
interface Read {
  readonly what: 'newest' | 'after'
  readonly from: number
  answer(): Promise<void>
  fail(): Promise<void>
}

/** A feed over a store in memory, whose answers are as of when they were asked for and come when the test says. */
function open() {
  const bus = new LocalBus()
  const stored: StoredSignal[] = []
  const reads: Read[] = []
  function asked<T>(what: Read['what'], from: number, result: T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const settle = async (act: () => void): Promise<void> => {
      reads.splice(reads.indexOf(read), 1)
      act()
      await nextTurn()
    }
    const read = { what, from, answer: () => settle(() => resolve(result)), fail: () => settle(() => reject(gone())) }
    reads.push(read)
    return promise
  }
  const feed = new SignalEvents({
    bus,
    log: silentLog,
    store: {
      newestPosition: () => asked('newest', 0, stored.at(-1)?.position ?? 0),
      after: (position, limit) =>
        asked('after', position, stored.filter((signal) => signal.position > position).slice(0, limit)),
    },
  })
  feed.start()
  const store = (count = 1, kind: SignalKind = 'GOLDEN_CROSS'): void => {
    for (let i = 0; i < count; i++) {
      stored.push({ ...signalOf({ kind }), position: (stored.at(-1)?.position ?? 0) + 1, outcome: null })
    }
  }
  const told = (state: JobState = 'SUCCEEDED'): void => bus.publish('job', changeOf({ state } as Job))
  const only = (what: Read['what']): Read => {
    const found = reads.filter((read) => read.what === what)
    assert.equal(found.length, 1, `one read of ${what} is under way`)
    return found[0] as Read
  }
  /** A follower that has seen all until now; the other reads that are under way stay so. */
  async function follow(kinds: readonly SignalKind[] | null = null) {
    const following = feed.follow({ symbols: null, kinds })
    await reads.findLast((read) => read.what === 'newest')?.answer()
    return reader(await following)
  }
  return { feed, bus, reads, store, told, only, follow }
}

const gone = (): Error => new Error('Connection terminated unexpectedly')

/** What a stream has given so far. */
function reader(stream: AsyncIterableIterator<StoredSignal | FinstageError>) {
  const positions: number[] = []
  const errors: FinstageError[] = []
  const read = async (): Promise<void> => {
    for await (const event of stream) {
      if (event instanceof FinstageError) errors.push(event)
      else positions.push(event.position)
    }
  }
  return { stream, positions, errors, start: read }
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

test('a follower is told what is stored after it has come, and nothing from before', async () => {
  const { store, told, only, follow } = open()
  store(2)
  const follower = await follow()
  void follower.start()
  await only('after').answer()
  store(2)
  told()
  await only('after').answer()
  assert.deepEqual(follower.positions, [3, 4])
})

test('what is stored while a follower comes, and told of before it listens, is told', async () => {
  const { feed, store, told, only } = open()
  store(2)
  const following = feed.follow({ symbols: null, kinds: null })
  const { answer } = only('newest')
  store()
  told()
  await answer()
  const follower = reader(await following)
  void follower.start()
  await only('after').answer()
  assert.deepEqual(follower.positions, [3])
})

test('one read at a time: what is told meanwhile makes one more, and nothing is told twice', async () => {
  const { store, told, only, follow, reads } = open()
  const follower = await follow()
  void follower.start()
  await only('after').answer()
  store()
  told()
  store()
  for (let i = 0; i < 5; i++) told()
  await only('after').answer()
  assert.deepEqual(follower.positions, [1])
  await only('after').answer()
  assert.deepEqual(follower.positions, [1, 2])
  assert.deepEqual(reads, [])
})

test('only the success of a job, jobsMissed and reconnected make it read, and only while somebody follows', async () => {
  const { told, bus, only, follow, reads } = open()
  told()
  assert.deepEqual(reads, [])
  const follower = await follow()
  await only('after').answer()
  for (const state of ['QUEUED', 'RUNNING', 'FAILED'] as const) told(state)
  assert.deepEqual(reads, [])
  for (const tell of [told, () => bus.publish('jobsMissed', {}), () => bus.publish('reconnected', {})]) {
    tell()
    await only('after').answer()
  }
  await follower.stream.return?.()
  told()
  assert.deepEqual(reads, [])
})

test('a follower that comes while a read is under way misses nothing that this read begins after', async () => {
  const { feed, store, told, only, follow } = open()
  store(8)
  const first = await follow()
  void first.start()
  await only('after').answer()
  // Has seen 8, and is told so only after the others are further.
  const following = feed.follow({ symbols: null, kinds: null })
  const late = only('newest')
  store(2)
  told()
  await only('after').answer()
  store(2)
  told()
  await late.answer()
  const second = reader(await following)
  void second.start()
  assert.equal(only('after').from, 10)
  await only('after').answer()
  assert.equal(only('after').from, 8)
  await only('after').answer()
  assert.deepEqual(first.positions, [9, 10, 11, 12])
  assert.deepEqual(second.positions, [9, 10, 11, 12])
})

test('more than one read holds is read on until nothing is left', async () => {
  const { store, told, only, follow, reads } = open()
  const follower = await follow()
  void follower.start()
  await only('after').answer()
  store(2500)
  told()
  for (const from of [0, 1000, 2000]) {
    assert.equal(only('after').from, from)
    await only('after').answer()
  }
  assert.deepEqual(follower.positions, numbers(1, 2500))
  assert.deepEqual(reads, [])
})

test('a read that fails is made again, and nothing is lost or told twice', async () => {
  const { store, told, only, follow, reads } = open()
  const follower = await follow()
  void follower.start()
  await only('after').answer()
  store()
  told()
  for (let i = 0; i < 2; i++) {
    await only('after').fail()
    assert.deepEqual(reads, [], 'not at once')
    await eventually(() => reads.length === 1, 'another try')
  }
  await only('after').answer()
  assert.deepEqual(follower.positions, [1])
  assert.deepEqual(reads, [])
})

test('a subscription that can not begin fails, and leaves nothing behind', async () => {
  const { feed, told, only, reads } = open()
  const following = feed.follow({ symbols: null, kinds: null })
  following.catch(() => {})
  await only('newest').fail()
  await assert.rejects(following, /Connection terminated/)
  told()
  assert.deepEqual(reads, [])
})

test('a reader that stands still gets the 10,000 that waited and one more, without a gap, and then LIMIT_EXCEEDED; others get all', async () => {
  const { store, told, only, follow, reads } = open()
  const slow = await follow()
  const other = await follow()
  const rare = await follow(['VOLUME_SPIKE'])
  for (const { start } of [other, rare]) void start()
  while (reads.length > 0) await only('after').answer()
  store(12_000)
  store(1, 'VOLUME_SPIKE')
  told()
  while (reads.length > 0) await only('after').answer()
  assert.deepEqual(other.positions, numbers(1, 12_001))
  assert.deepEqual(rare.positions, [12_001])
  await slow.start()
  assert.deepEqual(slow.positions, numbers(1, 10_001))
  assert.deepEqual(
    slow.errors.map(({ code }) => code),
    ['LIMIT_EXCEEDED'],
  )
})

test('stop ends every stream, also one that is just beginning', async () => {
  const { feed, only, follow } = open()
  const follower = await follow()
  const ended = follower.start()
  const beginning = feed.follow({ symbols: null, kinds: null })
  const { answer } = only('newest')
  feed.stop()
  await ended
  await answer()
  assert.deepEqual(await (await beginning).next(), { value: undefined, done: true })
})
