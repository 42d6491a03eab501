import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type GraphQLError, parse } from 'graphql'
import type { MessageProducer, MessageWriter, RenderedUpdate } from '../../../../src/http/connections/message-writer.ts'
import { CompiledOperations } from '../../../../src/http/pipeline/compiled-operations.ts'
import { sharedOperation } from '../../../../src/http/sharing/operation.ts'
import { SharedSubscriptions } from '../../../../src/http/sharing/subscriptions.ts'
import { PriceHistory } from '../../../../src/stream/price-history.ts'
import { PriceSubscription } from '../../../../src/stream/price-subscription.ts'
import { updateOf } from '../../../support/candles/prices.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceUpdates: Update! }
  type Update { seq: Int! }
`)

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
function open(shared: SharedSubscriptions, query = 'subscription { priceUpdates { seq } }') {
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
  seat.open(history)
  const document = parse(query)
  const operation = sharedOperation(document, null, 'priceUpdates') ?? assert.fail()
  const writer = new TestWriter()
  let ends = 0
  const subscriber = shared.join({
    args: { schema, document, rootValue: undefined, contextValue: {} },
    operation,
    viewer: 'someone',
    subscription,
    writer,
    id: 'x',
    onEnd: { ended: () => ends++ },
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
