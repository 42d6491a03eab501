import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { CpuPool } from '../../../../src/platform/concurrency/cpu-pool.ts'
import type { Shared } from '../../../support/cpu-work.ts'
import { silentLog } from '../../../support/log.ts'

const work = new URL('../../../support/cpu-work.ts', import.meta.url)

/** A pool on a machine with so many cores: one thread on two. */
function open(t: TestContext, { cores = 2 } = {}) {
  const parallelism = t.mock.method(os, 'availableParallelism', () => cores)
  syncBuiltinESMExports()
  const pool = new CpuPool(silentLog)
  parallelism.mock.restore()
  syncBuiltinESMExports()
  t.after(async () => {
    await pool.stop()
    // stop() does not wait for threads that an abort has ended.
    await untilThreads(0)
  })
  return pool
}

const counter = (): Int32Array => new Int32Array(new SharedArrayBuffer(4))

const share = (): Shared => ({ begun: counter(), gate: counter() })

/** Until so many have begun in threads, the event loop turning meanwhile. */
async function untilBegun({ begun }: Shared, wanted: number): Promise<void> {
  for (let now = Atomics.load(begun, 0); now < wanted; now = Atomics.load(begun, 0)) {
    await Atomics.waitAsync(begun, 0, now).value
  }
}

function release({ gate }: Shared): void {
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
}

/** The niceness of each thread that runs JavaScript beside the main one, as Linux tells. */
function threads(): number[] {
  return readdirSync('/proc/self/task').flatMap((id) => {
    try {
      const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8')
      if (!stat.includes('(WorkerThread)')) return []
      return [Number(stat.slice(stat.lastIndexOf(')')).split(' ')[17])]
    } catch {
      // It has just ended.
      return []
    }
  })
}

async function untilThreads(wanted: number): Promise<void> {
  while (threads().length !== wanted) await nextTurn()
}

/** Looks at what was thrown: assert.rejects would take a look-alike for the reason. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail('it was fulfilled')
}

test('work is done by TypeScript modules, in other threads than the main one', async (t) => {
  const pool = open(t)
  assert.equal(await pool.run(work, 'add', { a: 1, b: 2 }), 3)
  assert.notEqual(await pool.run(work, 'currentThread', null), 0)
})

test('an abort ends an endless loop and its thread, while the event loop turns, and rejects with the reason', async (t) => {
  const pool = open(t)
  const shared = share()
  const controller = new AbortController()
  const endless = rejection(pool.run(work, 'spin', shared, controller.signal))
  await untilBegun(shared, 1)
  for (let turns = 0; turns < 100; turns++) await nextTurn()
  const reason = new Error('enough')
  controller.abort(reason)
  assert.equal(await endless, reason)
  await untilThreads(0)
})

test('after an abort the next work succeeds, and so does work that waited already', async (t) => {
  const pool = open(t)
  const shared = share()
  const controller = new AbortController()
  const endless = rejection(pool.run(work, 'spin', shared, controller.signal))
  await untilBegun(shared, 1)
  const waiting = pool.run(work, 'add', { a: 1, b: 2 })
  controller.abort()
  await endless
  assert.equal(await waiting, 3)
  assert.equal(await pool.run(work, 'add', { a: 2, b: 2 }), 4)
})

test('work that waits is dropped at once when it is aborted, and never run', async (t) => {
  const pool = open(t)
  const shared = share()
  const holding = pool.run(work, 'hold', shared)
  await untilBegun(shared, 1)
  const controller = new AbortController()
  const dropped = rejection(pool.run(work, 'count', shared, controller.signal))
  const next = pool.run(work, 'count', shared)
  const reason = new Error('not wanted any more')
  controller.abort(reason)
  assert.equal(await dropped, reason)
  release(shared)
  assert.deepEqual(await Promise.all([holding, next]), [0, 1])
})

test('a signal that is aborted already runs nothing, and is not waited for', async (t) => {
  const pool = open(t)
  const reason = new Error('too late')
  const shared = share()
  const late = () => rejection(pool.run(work, 'count', shared, AbortSignal.abort(reason)))
  assert.equal(await late(), reason)
  assert.deepEqual(threads(), [])
  const holding = pool.run(work, 'hold', shared)
  assert.equal(await late(), reason)
  release(shared)
  assert.equal(await holding, 0)
})

test('of a signal that outlives the work no listeners are left', async (t) => {
  const pool = open(t)
  const { signal } = new AbortController()
  await Promise.all([1, 2, 3].map((a) => pool.run(work, 'add', { a, b: 0 }, signal)))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('an error of the work comes back with its name, its message and its stack, whatever else it carries', async (t) => {
  const pool = open(t)
  const error = await rejection(pool.run(work, 'fail', null))
  assert.ok(error instanceof Error)
  assert.equal(error.name, 'RangeError')
  assert.equal(error.message, 'out of range')
  assert.match(error.stack ?? '', /^RangeError: out of range\n.*cpu-work\.ts:\d+/)
})

test('what is thrown and is no error comes back as the message of one', async (t) => {
  const error = await rejection(open(t).run(work, 'failWithText', null))
  assert.ok(error instanceof Error)
  assert.equal(error.message, 'only a text')
})

test('a FinstageError of the work comes back as one, with its code and its details', async (t) => {
  const error = await rejection(open(t).run(work, 'refuse', null))
  assert.ok(error instanceof FinstageError)
  assert.equal(error.message, 'Too much')
  assert.equal(error.code, 'SOURCE_RATE_LIMITED')
  assert.equal(error.temporary, true)
  assert.deepEqual(error.details, { symbol: 'A', retryAfterSeconds: 7 })
  assert.match(error.stack ?? '', /cpu-work\.ts/)
})

test('a module or a function that does not exist is named', async (t) => {
  const pool = open(t)
  await assert.rejects(pool.run(work, 'nothing', null), /cpu-work\.ts exports no function nothing$/)
  await assert.rejects(pool.run(new URL('./nowhere.ts', work), 'add', null), /nowhere\.ts/)
})

for (const [what, functionName, input] of [
  ['ends its own thread', 'endThread', null],
  ['gives what cannot be sent', 'giveFunction', null],
  ['is given what cannot be sent', 'add', () => 1],
] as const) {
  test(`work that ${what} is rejected, and keeps none of the others`, async (t) => {
    const pool = open(t)
    const failing = rejection(pool.run(work, functionName, input))
    const waiting = pool.run(work, 'add', { a: 1, b: 2 })
    assert.ok((await failing) instanceof Error)
    assert.equal(await waiting, 3)
  })
}

test('a thread that fails to start is logged; its work can be aborted, and the next gets another thread', async (t) => {
  const logged = Promise.withResolvers<string>()
  t.mock.method(silentLog, 'error', ({ err }: { err: Error }) => logged.resolve(err.message))
  const { postMessage } = Worker.prototype
  // Not the start message that piscina expects.
  const garbled = t.mock.method(Worker.prototype, 'postMessage', function (this: Worker) {
    garbled.mock.restore()
    postMessage.call(this, null)
  })
  const pool = open(t)
  const controller = new AbortController()
  const stranded = rejection(pool.run(work, 'add', { a: 1, b: 2 }, controller.signal))
  assert.match(await logged.promise, /null/)
  controller.abort('stranded')
  assert.equal(await stranded, 'stranded')
  assert.equal(await pool.run(work, 'add', { a: 1, b: 2 }), 3)
})

test('no thread is there before there is work, and of four cores one is left to the event loop', async (t) => {
  const pool = open(t, { cores: 4 })
  assert.deepEqual(threads(), [])
  const shared = share()
  const held = [1, 2, 3, 4, 5].map(() => pool.run(work, 'hold', shared))
  await untilBegun(shared, 3)
  assert.equal(threads().length, 3)
  release(shared)
  await Promise.all(held)
  assert.equal(threads().length, 3)
})

test('on a single core there is one thread', async (t) => {
  assert.equal(await open(t, { cores: 1 }).run(work, 'add', { a: 1, b: 2 }), 3)
})

test('a thread runs one piece of work at a time, the oldest first', async (t) => {
  const pool = open(t, { cores: 3 })
  const [first, second] = [share(), share()]
  const held = [pool.run(work, 'hold', first), pool.run(work, 'hold', second)]
  await Promise.all([untilBegun(first, 1), untilBegun(second, 1)])
  const { signal } = new AbortController()
  const places = [1, 2, 3, 4, 5].map((n) => pool.run(work, 'count', first, n % 2 ? signal : undefined))
  release(second)
  assert.deepEqual(await Promise.all(places), [1, 2, 3, 4, 5])
  release(first)
  await Promise.all(held)
})

test('threads stand behind the event loop: they are nicer by 10', async (t) => {
  await open(t).run(work, 'add', { a: 1, b: 2 })
  assert.deepEqual(threads(), [os.getPriority() + 10])
})

test('a thread ends after 30 s without work', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pool = open(t)
  const threadId = await pool.run(work, 'currentThread', null)
  t.mock.timers.tick(29_000)
  assert.equal(await pool.run(work, 'currentThread', null), threadId)
  t.mock.timers.tick(29_000)
  assert.equal(await pool.run(work, 'currentThread', null), threadId)
  t.mock.timers.tick(30_000)
  await untilThreads(0)
})

test('stop ends all threads at once: what runs, waits or comes later is rejected', async (t) => {
  const pool = open(t)
  const shared = share()
  const asked = [pool.run(work, 'spin', shared), pool.run(work, 'count', shared)].map(rejection)
  await untilBegun(shared, 1)
  const stopping = pool.stop()
  asked.push(rejection(pool.run(work, 'count', shared)))
  await stopping
  assert.deepEqual(threads(), [])
  asked.push(rejection(pool.run(work, 'count', shared)))
  for (const error of await Promise.all(asked)) assert.match(String(error), /threads for CPU work were stopped/)
  assert.equal(Atomics.load(shared.begun, 0), 1)
  assert.deepEqual(threads(), [])
})

test('stop may be called twice, and where nothing ever ran', async (t) => {
  const pool = open(t)
  const both = [pool.stop(), pool.stop()]
  await Promise.all(both)
  await pool.stop()
})

test('a process whose pool has nothing to do ends by itself', async () => {
  const script = `
    import { CpuPool } from '${new URL('../../../../src/platform/concurrency/cpu-pool.ts', import.meta.url)}'
    const pool = new CpuPool({ error: console.error })
    console.log(await pool.run(new URL('${work}'), 'add', { a: 1, b: 2 }))
  `
  // Less than the 30 s after which the thread would end.
  const child = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 25_000 })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.equal(output, '3\n')
})
