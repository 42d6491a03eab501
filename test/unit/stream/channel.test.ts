import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Channel } from '../../../src/stream/channel.ts'

/** A channel of numbers that keeps its newest two where more than three wait. */
function open() {
  let ends = 0
  const channel = new Channel<number>({
    maxWaiting: 3,
    compact: (waiting) => waiting.slice(-2),
    onEnd: () => {
      ends += 1
    },
  })
  return { channel, ends: () => ends }
}

const end = { value: undefined, done: true }
const value = (number: number) => ({ value: number, done: false })

async function collect(channel: Channel<number>): Promise<number[]> {
  const values: number[] = []
  for await (const each of channel) values.push(each)
  return values
}

test('values are read in the order in which they came, whether they or the readers were there first', async () => {
  const { channel } = open()
  channel.push(1)
  channel.push(2)
  const reads = [channel.next(), channel.next(), channel.next(), channel.next()]
  channel.push(3)
  channel.push(4)
  channel.push(5)
  assert.deepEqual(await Promise.all([...reads, channel.next()]), [1, 2, 3, 4, 5].map(value))
})

test('return ends every pending next at once', async () => {
  const { channel, ends } = open()
  const pending = [channel.next(), channel.next()]
  assert.deepEqual(await channel.return(), end)
  assert.deepEqual(await Promise.all(pending), [end, end])
  assert.equal(ends(), 1)
})

test('return throws away what waits and takes no more', async () => {
  const { channel, ends } = open()
  channel.push(1)
  await channel.return()
  channel.push(2)
  assert.deepEqual(await channel.next(), end)
  assert.equal(ends(), 1)
})

test('end lets what waits be read, then comes the end; what is pushed later does not', async () => {
  const { channel, ends } = open()
  channel.push(1)
  channel.push(2)
  channel.end()
  channel.push(3)
  assert.equal(ends(), 0)
  assert.deepEqual(await collect(channel), [1, 2])
  assert.equal(ends(), 1)
})

test('end with nothing waiting ends the pending next at once', async () => {
  const { channel, ends } = open()
  const pending = channel.next()
  channel.end()
  assert.deepEqual(await pending, end)
  assert.equal(ends(), 1)
})

test('leaving a loop over a channel ends it', async () => {
  const { channel, ends } = open()
  channel.push(1)
  channel.push(2)
  for await (const each of channel) {
    assert.equal(each, 1)
    break
  }
  assert.equal(ends(), 1)
  assert.deepEqual(await channel.next(), end)
})

test('throw rejects with its error and ends the channel', async () => {
  const { channel, ends } = open()
  const pending = channel.next()
  const error = new Error('enough')
  await assert.rejects(channel.throw(error), error)
  assert.deepEqual(await pending, end)
  assert.equal(ends(), 1)
})

test('onEnd is called once, however often and in whatever way a channel is ended', async () => {
  const { channel, ends } = open()
  channel.end()
  channel.end()
  await channel.return()
  await channel.return()
  await channel.throw(new Error()).catch(() => {})
  await channel.next()
  assert.equal(ends(), 1)
})

test('no more than maxWaiting values wait: compact says which of them stay', async () => {
  const { channel } = open()
  for (let number = 1; number <= 3; number++) channel.push(number)
  assert.deepEqual(await channel.next(), value(1))
  for (let number = 4; number <= 1000; number++) channel.push(number)
  channel.end()
  const left = await collect(channel)
  assert.ok(left.length <= 3)
  assert.deepEqual(left.slice(-2), [999, 1000])
})

test('where nothing can be left out all of it waits, and what waits is not looked through at every value', async () => {
  let looks = 0
  const channel = new Channel<number>({
    maxWaiting: 10,
    compact: (waiting) => {
      looks += 1
      return [...waiting]
    },
    onEnd: () => {},
  })
  for (let i = 0; i < 10_000; i++) channel.push(i)
  channel.end()
  assert.equal((await collect(channel)).length, 10_000)
  assert.ok(looks < 20, `${looks}`)
})

test('a reader that keeps up is given every value', async () => {
  const { channel } = open()
  for (let number = 0; number < 100; number++) {
    const pending = channel.next()
    channel.push(number)
    assert.deepEqual(await pending, value(number))
  }
})
