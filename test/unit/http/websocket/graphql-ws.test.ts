import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { buildSchema, type ExecutionResult, parse } from 'graphql'
import { makeServer } from 'graphql-ws'
import { ClientOperation } from '../../../../src/http/websocket/client-operation.ts'

// What src/http/websocket/ relies on of graphql-ws, beyond what its types say: each by a sentence that says what to look at
// when a new version does otherwise.

const schema = buildSchema('type Query { unused: Int } type Subscription { numbers: Int }')
const document = parse('subscription { numbers }')

/** A server of graphql-ws on a socket of our own. `begin`: what subscribing gives. */
function open(begin: (operation: ClientOperation) => Promise<AsyncIterable<ExecutionResult>>) {
  const sent: { id?: string; type: string }[] = []
  const operations: ClientOperation[] = []
  const openIds: string[][] = []
  const roots: unknown[] = []
  let take: (text: string) => Promise<void> = async () => {}
  const closed = makeServer({
    onSubscribe({ subscriptions }, id) {
      openIds.push(Object.keys(subscriptions ?? {}))
      const operation = new ClientOperation(id)
      operations.push(operation)
      return { schema, document, contextValue: undefined, rootValue: operation }
    },
    subscribe: ({ rootValue }) => begin(rootValue as ClientOperation) as never,
    onNext(_context, _id, _payload, { rootValue }) {
      roots.push(rootValue)
    },
  }).opened(
    {
      protocol: 'graphql-transport-ws',
      send: async (text) => void sent.push(JSON.parse(text)),
      close: () => {},
      onMessage: (given) => {
        take = given
      },
    },
    undefined,
  )
  const receive = async (message: object): Promise<void> => {
    void take(JSON.stringify(message))
    await nextTurn()
  }
  const subscribe = (id: string) => receive({ id, type: 'subscribe', payload: { query: 'subscription { numbers }' } })
  const typesOf = (id: string): string[] => sent.filter((message) => message.id === id).map(({ type }) => type)
  return { operations, openIds, roots, receive, subscribe, typesOf, close: () => closed(1000, '') }
}

/** Events are sent past graphql-ws. */
const sentPast = (returns: string[]) => async (operation: ClientOperation) => {
  operation.attachSent({ return: () => returns.push(operation.id) })
  return operation
}

test('a subscription whose events are sent past graphql-ws is held open, and completed when it ends', async () => {
  const { operations, openIds, receive, subscribe, typesOf } = open(sentPast([]))
  await receive({ type: 'connection_init' })
  await subscribe('1')
  assert.deepEqual(
    typesOf('1'),
    [],
    'graphql-ws no longer waits for an iterable that yields nothing: see ClientOperation',
  )
  operations[0]?.ended()
  await nextTurn()
  assert.deepEqual(
    typesOf('1'),
    ['complete'],
    'graphql-ws no longer sends complete when an iterable ends: see ClientOperation',
  )
  await subscribe('2')
  assert.deepEqual(
    openIds,
    [['1'], ['2']],
    'graphql-ws no longer lists the operations that are open, the new one included: see WebSocketOperations.prepare, which counts them',
  )
})

test('graphql-ws ends the iterable of a subscription that its client completes, or whose socket closes', async () => {
  const returns: string[] = []
  const { receive, subscribe, typesOf, close } = open(sentPast(returns))
  await receive({ type: 'connection_init' })
  await subscribe('1')
  await subscribe('2')
  const broken = 'graphql-ws no longer calls return() of an iterable that is no generator: see ClientOperation'
  await receive({ id: '1', type: 'complete' })
  assert.deepEqual(returns, ['1'], broken)
  await close()
  assert.deepEqual(returns, ['1', '2'], broken)
  assert.deepEqual([typesOf('1'), typesOf('2')], [[], []], 'graphql-ws answers what its client has completed')
})

test('an id is free as soon as its client completes it, though its promise never settles', async () => {
  const never = new Promise<never>(() => {})
  const { operations, receive, subscribe, typesOf } = open((operation) =>
    operations.length === 1 ? never : sentPast([])(operation),
  )
  await receive({ type: 'connection_init' })
  await subscribe('1')
  await receive({ id: '1', type: 'complete' })
  await subscribe('1')
  const broken =
    'graphql-ws no longer frees the id of an operation that never begins: see ClientOperation.unlessDropped'
  assert.equal(operations.length, 2, broken)
  operations[1]?.ended()
  await nextTurn()
  assert.deepEqual(typesOf('1'), ['complete'], broken)
})

test('graphql-ws gives onNext the arguments that onSubscribe gave it', async () => {
  const { operations, roots, receive, subscribe } = open(async (operation) => {
    async function* numbers() {
      yield { data: { numbers: 1 } }
    }
    await operation.attach(numbers())
    return operation
  })
  await receive({ type: 'connection_init' })
  await subscribe('1')
  assert.deepEqual(roots, operations, 'graphql-ws no longer passes the root value on: see onNext in endpoint.ts')
  assert.equal(roots.length, 1)
})
