import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type StreamShard, streamShard } from '../../../../../src/market/yahoo/live/shard.ts'
import type { OpenStream } from '../../../../../src/market/yahoo/live/socket.ts'
import { type FakeConnection, fakeStream, pricingText } from '../../../../support/yahoo/test-streamer.ts'

interface Stage {
  readonly shard: StreamShard
  readonly connections: readonly FakeConnection[]
  readonly frames: string[]
  readonly dropped: string[]
  readonly pass: (ms: number) => void
  /** The newest connection, opened. */
  readonly opened: () => FakeConnection
  readonly session: (isOpen: boolean) => void
  readonly changes: () => number
}

function stage(t: TestContext, { random = () => 1, open }: { random?: () => number; open?: OpenStream } = {}): Stage {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  const fake = fakeStream()
  const frames: string[] = []
  const dropped: string[] = []
  let inSession = true
  let changes = 0
  const shard = streamShard({
    ...{ url: 'ws://streamer.test/', now: Date.now, random, log: undefined, open: open ?? fake.open },
    isInSession: () => inSession,
    frame: ({ symbol, price }) => frames.push(`${symbol} ${price}`),
    dropped: (reason) => dropped.push(reason),
    changed: () => changes++,
  })
  t.after(() => shard.stop())
  return {
    ...{ shard, connections: fake.connections, frames, dropped, changes: () => changes },
    // In steps: a timer that is set within a tick counts from the end of it.
    pass: (ms) => {
      const stepMs = ms > 60_000 ? 1000 : 1
      for (let passed = 0; passed < ms; passed += stepMs) t.mock.timers.tick(stepMs)
    },
    opened: () => {
      const newest = fake.connections.at(-1)
      assert.ok(newest)
      newest.events.opened()
      return newest
    },
    session: (isOpen) => {
      inSession = isOpen
    },
  }
}

test('a socket is opened with the first symbol, and not before', (t) => {
  const { shard, connections } = stage(t)
  assert.equal(connections.length, 0)
  shard.add(['A'])
  shard.add(['B'])
  assert.deepEqual(
    connections.map(({ url }) => url),
    ['ws://streamer.test/'],
  )
})

test('all symbols are subscribed at the open, what comes later by itself, and the whole list again every 15 s', (t) => {
  const { shard, pass, opened } = stage(t)
  shard.add(['A', 'B'])
  const { sent, push } = opened()
  shard.add(['C'])
  assert.deepEqual(sent, [{ subscribe: ['A', 'B'] }, { subscribe: ['C'] }])
  for (let round = 1; round <= 3; round++) {
    pass(14_999)
    push('A', { price: 1 })
    assert.equal(sent.length, 1 + round)
    pass(1)
    assert.deepEqual(sent.at(-1), { subscribe: ['A', 'B', 'C'] })
  }
})

test('what is removed is unsubscribed, and is not in the list again', (t) => {
  const { shard, pass, opened, dropped, frames } = stage(t)
  shard.add(['A', 'B'])
  const { sent, push } = opened()
  shard.remove(['A', 'X'])
  shard.remove(['X'])
  pass(15_000)
  assert.deepEqual(sent.slice(1), [{ unsubscribe: ['A'] }, { subscribe: ['B'] }])
  push('A', { price: 1 })
  assert.deepEqual([frames, dropped], [[], ['unknown symbol']])
})

test('attempts to connect are further and further apart, up to a minute, and never given up', (t) => {
  const { shard, connections, pass } = stage(t)
  shard.add(['A'])
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
    const count = connections.length
    connections.at(-1)?.events.closed('refused')
    pass(seconds * 1000 - 1)
    assert.equal(connections.length, count)
    pass(1)
    assert.equal(connections.length, count + 1)
  }
})

test('the wait is anything from nothing to the whole of it', (t) => {
  let part = 0
  const { shard, connections, pass } = stage(t, { random: () => part })
  shard.add(['A'])
  connections.at(-1)?.events.closed('refused')
  pass(1)
  assert.equal(connections.length, 2)
  part = 0.25
  connections.at(-1)?.events.closed('refused')
  pass(499)
  assert.equal(connections.length, 2)
  pass(1)
  assert.equal(connections.length, 3)
})

test('a connection that served for 15 s makes the next attempt soon; one that is dropped at once does not', (t) => {
  const { shard, connections, pass, opened } = stage(t)
  shard.add(['A'])
  for (const seconds of [1, 2, 4]) {
    const { push, events } = opened()
    push('A', { price: 1 })
    events.closed('dropped')
    pass(seconds * 1000 - 1)
    assert.equal(shard.isServing(), false)
    pass(1)
  }
  assert.equal(connections.length, 4)
  const { push, events } = opened()
  push('A', { price: 1 })
  pass(15_000)
  events.closed('dropped')
  pass(1000)
  assert.equal(connections.length, 5)
})

test('a connection that is open for long and delivers nothing does not make the next attempt soon', (t) => {
  const { shard, connections, pass, opened } = stage(t)
  shard.add(['A'])
  for (const seconds of [1, 2, 4]) {
    opened()
    const count = connections.length
    pass(30_000)
    assert.equal(connections.at(-1)?.isEnded, true)
    pass(seconds * 1000 - 1)
    assert.equal(connections.length, count)
    pass(1)
    assert.equal(connections.length, count + 1)
  }
})

test('a connection that does not come about within 10 s is given up', (t) => {
  const { shard, connections, pass, changes } = stage(t)
  shard.add(['A'])
  pass(9999)
  assert.deepEqual([connections[0]?.isEnded, changes()], [false, 0])
  pass(1)
  assert.deepEqual([connections[0]?.isEnded, changes()], [true, 1])
  pass(1000)
  assert.equal(connections.length, 2)
})

test('an address that cannot even be tried is tried again like any other', (t) => {
  let attempts = 0
  const open: OpenStream = () => {
    attempts++
    throw new SyntaxError('Invalid URL')
  }
  const { shard, pass } = stage(t, { open })
  shard.add(['A'])
  assert.equal(attempts, 1)
  pass(1000)
  assert.equal(attempts, 2)
})

test('what an ended connection tells late changes nothing', (t) => {
  const { shard, connections, pass, opened, frames } = stage(t)
  shard.add(['A'])
  const old = opened()
  old.events.closed('error')
  old.events.closed('closed with 1006')
  pass(1000)
  const { sent } = opened()
  old.push('A', { price: 1 })
  old.events.opened()
  old.events.closed('late')
  assert.deepEqual([connections.length, frames, shard.isServing()], [2, [], false])
  assert.deepEqual(sent, [{ subscribe: ['A'] }])
})

test('an open socket serves from its first frame on', (t) => {
  const { shard, opened, changes, pass } = stage(t)
  shard.add(['A', 'B'])
  const { push, events } = opened()
  assert.deepEqual([shard.isServing(), changes()], [false, 1])
  events.message('{')
  assert.deepEqual([shard.isServing(), changes()], [false, 1])
  push('A', { price: 1 })
  push('A', { price: 2 })
  assert.deepEqual([shard.isServing(), changes()], [true, 2])
  events.closed('gone')
  assert.deepEqual([shard.isServing(), changes()], [false, 3])
  pass(1000)
  const { push: pushAgain } = opened()
  assert.equal(shard.isServing(), false, 'each connection has to')
  pushAgain('B', { price: 1 })
  assert.equal(shard.isServing(), true)
})

test('an open socket serves at once while no market of its symbols is in session', (t) => {
  const { shard, opened, session } = stage(t)
  session(false)
  shard.add(['A'])
  assert.equal(shard.isServing(), false)
  opened()
  assert.equal(shard.isServing(), true)
})

test('a subscription is sure to be in force half a second after it was sent, on a socket that serves', (t) => {
  const { shard, pass, opened } = stage(t)
  shard.add(['A'])
  pass(100)
  assert.equal(shard.inForceSince('A'), null)
  const { push, events } = opened()
  pass(500)
  assert.equal(shard.inForceSince('A'), null)
  push('A', { price: 1 })
  assert.equal(shard.inForceSince('A'), 100)
  shard.add(['B'])
  pass(499)
  assert.equal(shard.inForceSince('B'), null)
  pass(1)
  assert.equal(shard.inForceSince('B'), 600)
  pass(15_000)
  assert.equal(shard.inForceSince('A'), 100, 'sending the list again begins nothing anew')
  events.closed('gone')
  assert.equal(shard.inForceSince('A'), null)
  pass(1000)
  opened().push('A', { price: 2 })
  assert.equal(shard.inForceSince('A'), null, 'with the connection the subscription is new')
  pass(500)
  assert.equal(shard.inForceSince('A'), Date.now() - 500)
})

test('30 s without a frame end a connection while a market is in session', (t) => {
  const { shard, connections, pass, opened } = stage(t)
  shard.add(['A'])
  const { push } = opened()
  for (let i = 0; i < 5; i++) {
    pass(29_999)
    push('A', { price: 1 })
  }
  pass(29_999)
  assert.equal(connections[0]?.isEnded, false)
  pass(1)
  assert.equal(connections[0]?.isEnded, true)
})

test('30 s without a first frame end it too, and messages that cannot be read are no frames', (t) => {
  const { shard, connections, pass, opened, dropped } = stage(t)
  shard.add(['A'])
  const { events, push } = opened()
  for (let i = 0; i < 3; i++) {
    pass(9999)
    events.message('<html>')
    push('X', { price: 1 })
  }
  assert.equal(connections[0]?.isEnded, false)
  pass(3)
  assert.equal(connections[0]?.isEnded, true)
  assert.equal(dropped.length, 6)
})

test('a closed market may be silent for ever, and when it opens it has the whole time to speak', (t) => {
  const { shard, connections, pass, opened, session } = stage(t)
  session(false)
  shard.add(['A'])
  const { push } = opened()
  push('A', { price: 1 })
  pass(17 * 3_600_000)
  pass(20_000)
  session(true)
  pass(29_999)
  assert.equal(connections[0]?.isEnded, false)
  pass(30_001)
  assert.equal(connections[0]?.isEnded, true)
})

test("a market that closes ends nobody's connection", (t) => {
  const { shard, connections, pass, opened, session } = stage(t)
  shard.add(['A'])
  opened().push('A', { price: 1 })
  pass(20_000)
  session(false)
  pass(3_600_000)
  assert.equal(connections[0]?.isEnded, false)
})

const states: readonly [string, (of: Stage) => void][] = [
  ['without symbols', () => {}],
  ['while it connects', ({ shard }) => shard.add(['A'])],
  [
    'while it is open',
    ({ shard, opened }) => {
      shard.add(['A'])
      opened().push('A', { price: 1 })
    },
  ],
  [
    'while it waits',
    ({ shard, connections }) => {
      shard.add(['A'])
      connections[0]?.events.closed('refused')
    },
  ],
]

for (const [name, arrange] of states) {
  test(`${name}, stop ends its socket and leaves no timer`, (t) => {
    const of = stage(t)
    arrange(of)
    of.shard.stop()
    of.shard.stop()
    const { connections, changes } = of
    const before = [connections.length, connections[0]?.sent.length, changes()]
    assert.ok(connections.every(({ isEnded }) => isEnded) || name === 'while it waits')
    connections[0]?.events.message(pricingText({ id: 'A', price: 2 }))
    connections[0]?.events.closed('late')
    of.shard.add(['B'])
    of.pass(3_600_000)
    assert.deepEqual([connections.length, connections[0]?.sent.length, changes()], before)
    assert.ok(of.frames.length <= 1)
  })
}

test('a frame that stops the shard is its last', (t) => {
  const { shard, opened, changes, frames } = stage(t)
  shard.add(['A'])
  const { push } = opened()
  frames.push = () => {
    shard.stop()
    return 0
  }
  push('A', { price: 1 })
  push('A', { price: 2 })
  assert.equal(changes(), 1)
})
