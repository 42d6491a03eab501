import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type SocketReader, StalledReaders } from '../../../../src/http/connections/stalled-readers.ts'

/** A socket as far as it is looked at. */
class TestReader implements SocketReader {
  cuts = 0
  #state: {
    bytesWritten: number
    writableLength: number
    destroyed: boolean
    _handle: { writeQueueSize?: number }
  } = { bytesWritten: 100_000, writableLength: 100_000, destroyed: false, _handle: { writeQueueSize: 50_000 } }

  get socket(): Socket {
    return this.#state as unknown as Socket
  }

  cut(): void {
    this.cuts += 1
  }

  write(bytes: number): void {
    this.#state.bytesWritten += bytes
    this.#state.writableLength += bytes
  }

  /** The system takes some of the write that is under way. */
  takePart(bytes: number): void {
    this.#state._handle.writeQueueSize = (this.#state._handle.writeQueueSize ?? 0) - bytes
  }

  takeWholeWrite(bytes: number): void {
    this.#state.writableLength -= bytes
  }

  /** As where a version of Node does not tell how much of a write is left. */
  tellNothing(): void {
    this.#state._handle = {}
  }

  takeAll(): void {
    this.#state.writableLength = 0
  }

  destroy(): void {
    this.#state.destroyed = true
  }
}

function open(t: TestContext, prepare: (reader: TestReader) => void = () => {}) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const reported: string[] = []
  const stalledReaders = new StalledReaders({ report: (library) => reported.push(library) })
  const reader = new TestReader()
  prepare(reader)
  stalledReaders.watch(reader)
  const pass = (seconds: number): void => {
    for (let i = 0; i < seconds; i++) t.mock.timers.tick(1000)
  }
  return { stalledReaders, reader, pass, reported }
}

test('a reader that takes nothing for thirty seconds is cut, once, whatever is written to it meanwhile', (t) => {
  const { stalledReaders, reader, pass } = open(t)
  for (let second = 0; second < 29; second++) {
    reader.write(1000)
    stalledReaders.watch(reader)
    pass(1)
  }
  assert.equal(reader.cuts, 0)
  pass(1)
  assert.equal(reader.cuts, 1)
  pass(60)
  assert.equal(reader.cuts, 1)
})

test('a reader that takes part of one write in half a minute is not cut', (t) => {
  const { reader, pass } = open(t)
  for (let i = 0; i < 10; i++) {
    pass(29)
    reader.takePart(1)
  }
  assert.equal(reader.cuts, 0)
  pass(31)
  assert.equal(reader.cuts, 1)
})

test('a reader that has taken all is looked at no more, and its time begins anew with the next that stays behind', (t) => {
  const { stalledReaders, reader, pass } = open(t)
  pass(29)
  reader.takeAll()
  pass(1)
  reader.write(10)
  pass(60)
  assert.equal(reader.cuts, 0)
  stalledReaders.watch(reader)
  pass(29)
  assert.equal(reader.cuts, 0)
  pass(1)
  assert.equal(reader.cuts, 1)
})

test('a socket that has closed is not cut, and where none is left nothing ticks', (t) => {
  const { reader, pass } = open(t)
  const cleared = t.mock.method(globalThis, 'clearInterval')
  reader.destroy()
  pass(60)
  assert.equal(reader.cuts, 0)
  assert.equal(cleared.mock.callCount(), 1)
})

test('where Node does not tell how much of a write is left, a reader is cut that takes no whole write in two minutes', (t) => {
  const { reader, pass, reported } = open(t, (reader) => reader.tellNothing())
  assert.deepEqual(reported, ['node'])
  pass(119)
  reader.takeWholeWrite(1000)
  pass(119)
  assert.equal(reader.cuts, 0)
  pass(2)
  assert.equal(reader.cuts, 1)
})
