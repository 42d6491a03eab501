import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSchema, type ExecutionResult } from 'graphql'
import { Registry } from 'prom-client'
import { createGraphQL } from '../../../../src/http/pipeline/graphql.ts'
import type { SubscribeArgs, Subscribed } from '../../../../src/http/pipeline/interpreter.ts'
import type { Ports } from '../../../../src/resolvers/context.ts'
import { silentLog } from '../../../support/log.ts'

/** A pipeline whose resolvers note which executor has called them. */
function open() {
  const schema = buildSchema(`
    type Query { number: Int! plus(n: Int!): Int }
    type Mutation { number: Int! }
    type Subscription { numbers: Int! refused: Int! plus(n: Int!): Int }
  `)
  const executors: string[] = []
  const note = (): void => {
    const caller = new Error().stack?.split('\n').find((line) => line.includes('node_modules')) ?? ''
    executors.push(/node_modules\/(.*?)\/(?:esm|execution)\//.exec(caller)?.[1] ?? caller)
  }
  const number = (): number => {
    note()
    return 1
  }
  async function* numbers() {
    yield 1
    yield 2
  }
  const source = numbers()
  const { Query, Mutation, Subscription } = schema.getTypeMap() as unknown as Record<
    string,
    { getFields(): Record<string, { resolve: unknown; subscribe: unknown }> }
  >
  Object.assign(Query?.getFields().number ?? {}, { resolve: number })
  Object.assign(Mutation?.getFields().number ?? {}, { resolve: number })
  Object.assign(Subscription?.getFields().numbers ?? {}, {
    subscribe() {
      note()
      return source
    },
    resolve(event: unknown) {
      note()
      return event
    },
  })
  Object.assign(Subscription?.getFields().refused ?? {}, {
    subscribe() {
      throw new Error('not now')
    },
  })
  const registry = new Registry()
  const graphql = createGraphQL({ schema, ports: {} as Ports, log: silentLog, registry })
  async function subscribe(query: string, asSource: boolean): Promise<Subscribed> {
    const enveloped = graphql.yoga.getEnveloped({ params: { query } } as never)
    const document = enveloped.parse(query)
    enveloped.validate(schema, document)
    const contextValue: unknown = await enveloped.contextFactory()
    const args: SubscribeArgs = { schema, document, contextValue, ...(asSource && { execution: '' }) }
    return (await (enveloped.subscribe as (args: SubscribeArgs) => unknown)(args)) as Subscribed
  }
  const ask = (query: string, accept: string, variables: object = {}) =>
    graphql.yoga.fetch('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query, variables }),
    })
  return { executors, source, registry, graphql, subscribe, ask }
}

test('one interpreter executes queries and mutations, by Yoga and by the short way, and events of subscriptions', async () => {
  const { executors, graphql, ask } = open()
  for (const query of ['{ number }', 'mutation { number }']) {
    assert.deepEqual(await (await ask(query, 'application/json')).json(), { data: { number: 1 } })
  }
  const operation = graphql.documents.operation('{ number }', null)
  assert.ok(operation)
  assert.deepEqual({ ...(await graphql.execute(operation, {})).data }, { number: 1 })
  const stream = await (await ask('subscription { numbers }', 'text/event-stream')).text()
  assert.match(stream, /data: \{"data":\{"numbers":1\}\}.*data: \{"data":\{"numbers":2\}\}/s)
  const ours = '@graphql-tools/executor'
  // graphql-js opens the source event stream.
  assert.deepEqual(executors, [ours, ours, ours, 'graphql', ours, ours])
})

test('a transport that asks for the source events of a subscription gets the stream of the resolver, counted as any', async () => {
  const { source, executors, registry, subscribe } = open()
  const subscribed = await subscribe('subscription { numbers }', true)
  assert.ok('source' in subscribed)
  assert.equal(subscribed.source, source)
  assert.equal(executors.length, 1, 'no event is executed')
  const labels = 'operation="numbers",kind="subscription",outcome="ok"'
  assert.ok((await registry.metrics()).includes(`finstage_requests_total{${labels}} 1\n`))
})

test('a subscription that is refused is answered and counted alike, whether its source is asked for or not', async () => {
  const { registry, subscribe } = open()
  const answers: ExecutionResult[] = []
  for (const asSource of [false, true]) {
    answers.push((await subscribe('subscription { refused }', asSource)) as ExecutionResult)
  }
  const [plain, asSource] = answers
  assert.deepEqual(JSON.parse(JSON.stringify(asSource)), JSON.parse(JSON.stringify(plain)))
  assert.equal(plain?.errors?.[0]?.extensions.code, 'INTERNAL')
  const labels = 'operation="refused",kind="subscription",outcome="error"'
  assert.ok((await registry.metrics()).includes(`finstage_requests_total{${labels}} 2\n`))
})

test('variables of the wrong type are answered with 400 and BAD_USER_INPUT, by Yoga and by the short way, also of a subscription', async () => {
  const { graphql, ask } = open()
  const query = 'query ($n: Int!) { plus(n: $n) }'
  for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
    for (const text of [query, query.replace('query', 'subscription')]) {
      if (text !== query && accept !== 'text/event-stream') continue
      const answer = await ask(text, accept, { n: 'x' })
      assert.equal(answer.status, 400, `${accept} ${text}`)
      assert.match(await answer.text(), /"code":"BAD_USER_INPUT"/)
    }
  }
  const operation = graphql.documents.operation(query, null)
  assert.ok(operation)
  const { data, errors } = await graphql.execute(operation, { variables: { n: 'x' } })
  assert.equal(data, undefined)
  assert.deepEqual({ ...errors?.[0]?.extensions }, { http: { status: 400 }, code: 'BAD_USER_INPUT' })
})
