import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type GraphQLError, GraphQLObjectType, parse } from 'graphql'
import type { MessageProducer, MessageWriter, RenderedUpdate } from '../../../../src/http/connections/message-writer.ts'
import { CompiledOperations } from '../../../../src/http/pipeline/compiled-operations.ts'
import { sharedOperation } from '../../../../src/http/sharing/operation.ts'
import { SharedSubscriptions } from '../../../../src/http/sharing/subscriptions.ts'
import type { Context } from '../../../../src/resolvers/context.ts'
import { PriceSubscription } from '../../../../src/stream/price-subscription.ts'
import { PriceHistory } from '../../../../src/stream/seats/price-history.ts'
import { updateOf } from '../../../support/candles/prices.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceUpdates: Update! }
  type Update { seq: Int! favourite: String! secret: String! }
`)
const updateType = schema.getType('Update')
assert.ok(updateType instanceof GraphQLObjectType)
const { favourite, secret } = updateType.getFields()
assert.ok(favourite && secret)
favourite.resolve = (_update, _args, { viewer }: Pick<Context, 'viewer'>) => `of ${viewer.id}`
favourite.extensions = { differsByViewer: true }
secret.resolve = favourite.resolve

/** Notes what it is asked for. */
class TestWriter implements MessageWriter {
  readonly calls: string[] = []
  readonly waiting = new Set<MessageProducer>()
  needsDrain = false

  resumeOnDrain(producer: MessageProducer): void {
    this.waiting.add(producer)
  }

  send({ prefix }: MessageProducer, { payload }: RenderedUpdate): void {
    this.calls.push(`${prefix}${payload}`)
  }

  writeAll(): void {
    this.calls.push('write all')
  }

  discard(): void {
    this.calls.push('discard')
  }
}

/** A client that subscribes to one symbol, whose newest update is number 1. */
function open(shared: SharedSubscriptions, query = 'subscription { priceUpdates { seq } }', viewer = 'someone') {
  const subscription = new PriceSubscription(
    { symbols: ['A'], throttleMs: 0, after: new Map() },
    { now: () => 1000, counts: { delivered: 0, conflated: 0 }, onEnd: () => {} },
  )
  const history = new PriceHistory()
  const [seat = assert.fail()] = subscription.seats
  const push = (seq: number): void => {
    history.add(updateOf('A', seq), 10)
    seat.push(updateOf('A', seq))
  }
  push(1)
  seat.open({ history, unfollow: () => {} })
  const document = parse(query)
  const operation = sharedOperation({ schema, document }) ?? assert.fail()
  const writer = new TestWriter()
  let ends = 0
  const subscriber = shared.join({
    args: {
      ...{ schema, document, rootValue: undefined },
      contextValue: { viewer: { id: viewer, wasAsked: false } },
    },
    operation,
    subscription,
    writer,
    id: 'x',
    onEnd: { ended: () => ends++ },
    cost: null,
  })
  return { subscription, subscriber, writer, push, ends: () => ends }
}

function sharedSubscriptions(): { shared: SharedSubscriptions; executed: () => number } {
  let executed = 0
  const shared = new SharedSubscriptions({
    compiled: new CompiledOperations(schema),
    mask: (error) => error as GraphQLError,
    executed: () => executed++,
  })
  for (const field of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) field.resolve = (event) => event
  return { shared, executed: () => executed }
}

const message = (seq: number): string => `{"id":"x","type":"next","payload":{"data":{"priceUpdates":{"seq":${seq}}}}}`

test('what waits for a client is discarded when the client ends its subscription, and nothing follows', () => {
  const { shared } = sharedSubscriptions()
  const { subscriber, writer, push, ends } = open(shared)
  subscriber.return()
  subscriber.return()
  push(2)
  assert.deepEqual(writer.calls, [message(1), 'discard'])
  assert.equal(ends(), 1)
  assert.equal(shared.size, 0)
})

test('what waits for a client is written when the server ends the subscription, and then its end is told, once', () => {
  const { shared } = sharedSubscriptions()
  const { subscription, subscriber, writer, ends } = open(shared)
  void subscription.return()
  assert.equal(ends(), 1)
  subscriber.return()
  assert.deepEqual(writer.calls, [message(1), 'write all'])
  assert.equal(ends(), 1)
  assert.equal(shared.size, 0)
})

test('a client that has to catch up is sent nothing until its writer resumes it, and then the newest', () => {
  const { shared } = sharedSubscriptions()
  const { subscriber, writer, push } = open(shared)
  writer.needsDrain = true
  push(2)
  push(3)
  assert.deepEqual([...writer.waiting], [subscriber])
  writer.needsDrain = false
  subscriber.resume()
  assert.deepEqual(writer.calls, [message(1), message(3)])
})

test('clients that select the same share an execution for as long as one of them is there', () => {
  const { shared, executed } = sharedSubscriptions()
  const [one, other, third] = [open(shared), open(shared), open(shared, 'subscription { priceUpdates { n: seq } }')]
  assert.equal(shared.size, 2)
  const before = executed()
  const update = updateOf('A', 2)
  for (const { subscription } of [one, other, third]) subscription.seats[0]?.push(update)
  assert.equal(executed(), before + 2)
  one.subscriber.return()
  assert.equal(shared.size, 2)
  other.subscriber.return()
  third.subscriber.return()
  assert.equal(shared.size, 0)
})

test('viewers who are shown the same share an execution, whoever they are', () => {
  const { shared, executed } = sharedSubscriptions()
  const viewers = ['one', 'another', 'a third'].map((viewer) =>
    open(shared, 'subscription { priceUpdates { seq } }', viewer),
  )
  assert.equal(shared.size, 1)
  const before = executed()
  const update = updateOf('A', 2)
  for (const { subscription } of viewers) subscription.seats[0]?.push(update)
  assert.equal(executed(), before + 1)
})

for (const selection of ['favourite', '...F } } fragment F on Update { also: favourite', '... { seq favourite }']) {
  test(`each viewer gets what differs by viewer: ${selection}`, () => {
    const { shared } = sharedSubscriptions()
    const text = `subscription { priceUpdates { ${selection} } }`
    const query = selection.startsWith('...F') ? text.slice(0, -2) : text
    const [one, other] = [open(shared, query, 'one'), open(shared, query, 'other')]
    assert.equal(shared.size, 2)
    assert.match(one.writer.calls[0] ?? '', /"of one"/)
    assert.match(other.writer.calls[0] ?? '', /"of other"/)
  })
}

test('a field that differs by viewer and does not say so is an error, and never the answer of another viewer', () => {
  const { shared } = sharedSubscriptions()
  const { writer } = open(shared, 'subscription { priceUpdates { secret } }', 'one')
  assert.match(writer.calls[0] ?? '', /"errors":.*not marked with differsByViewer/)
  assert.doesNotMatch(writer.calls[0] ?? '', /"of /)
})
