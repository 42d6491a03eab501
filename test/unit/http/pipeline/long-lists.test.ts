import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { buildSchema, type GraphQLSchema } from 'graphql'
import { Registry } from 'prom-client'
import { createGraphQL, graphqlPath } from '../../../../src/http/pipeline/graphql.ts'
import { servePost } from '../../../../src/http/pipeline/json-post.ts'
import type { Ports } from '../../../../src/resolvers/context.ts'
import { countLists } from '../../../../src/schema/list-rows.ts'
import { askHttp } from '../../../support/clients/http-answer.ts'
import { silentLog } from '../../../support/log.ts'

type Resolve = (source: never, args: { n: number; bad?: number }) => unknown

/** What the market holds on to, and a scalar shows as it is. */
const kept = { json: { symbols: Array.from({ length: 100 }, (_, i) => `S${i}`), of: [[Array(50).fill({ a: [1] })]] } }

const keptText = JSON.stringify(kept)

/** Entry `bad` of a list fails. */
function schemaOf(onEntry: () => void, onMutation: () => void): GraphQLSchema {
  const schema = buildSchema(`
    type Query {
      strict(n: Int!, bad: Int): [Point!]
      loose(n: Int!, bad: Int): [Point]
      later(n: Int!, bad: Int): [Point!]
      numbers(n: Int!): [Float]!
      texts(n: Int!): [String!]!
      groups(n: Int!): [Group!]!
      things(n: Int!): [Thing!]!
      promised(n: Int!, bad: Int): [Point]
      one: Group!
      kept: Kept!
    }
    type Mutation { long(n: Int!): [Point!]! after: Int! }
    type Kept { json: JSON points(n: Int!): [Point!]! }
    scalar JSON
    interface Thing { epoch: Int! }
    type Point implements Thing { epoch: Int! value: Float text: String! plus(by: Int!): Int soon: Int }
    type Other implements Thing { epoch: Int! other: String }
    type Group { name: String! points(n: Int!): [Point!]! loaded(n: Int!, of: Int!): [Point!]! failing(n: Int!): [Point] }
  `)
  const point = (i: number, bad?: number) => ({
    epoch: i === bad ? 'none' : i,
    value: i % 7 ? i / 8 : null,
    text: `é${i}`,
  })
  let waiting = Promise.withResolvers<void>()
  let asked = 0
  /** Resolves for all when so many have asked. */
  const together = (of: number): Promise<void> => {
    const { promise, resolve } = waiting
    asked += 1
    if (asked % of === 0) {
      waiting = Promise.withResolvers()
      resolve()
    }
    return promise
  }
  const points: Resolve = (_, { n, bad }) => Array.from({ length: n }, (_, i) => point(i, bad))
  const resolvers: Record<string, Record<string, unknown>> = {
    Query: {
      strict: points,
      loose: points,
      promised: ((_, { n, bad }) =>
        Array.from({ length: n }, async (_, i) => (i === bad ? assert.fail() : point(i)))) satisfies Resolve,
      later: async (source: never, args: never) => points(source, args),
      numbers: ((_, { n }) => Array.from({ length: n }, (_, i) => (i % 5 ? i / 16 : null))) satisfies Resolve,
      texts: ((_, { n }) => Array.from({ length: n }, (_, i) => `"${i}\u2028`)) satisfies Resolve,
      groups: ((_, { n }) => Array.from({ length: n }, (_, i) => ({ name: `g${i}` }))) satisfies Resolve,
      things: ((_, { n }) =>
        Array.from({ length: n }, (_, i) => ({
          ...point(i),
          __typename: i % 2 ? 'Point' : 'Other',
          other: 'o',
        }))) satisfies Resolve,
      one: () => ({ name: 'one' }),
      kept: () => kept,
    },
    Point: {
      value({ value }: { value: number }) {
        onEntry()
        return value
      },
      plus: ({ epoch }: { epoch: number }, { by }: { by: number }) => epoch + by,
      soon: async ({ epoch }: { epoch: number }) => epoch,
    },
    Mutation: {
      long: points,
      after() {
        onMutation()
        return 1
      },
    },
    Kept: { points: (_: never, { n }: { n: number }) => Array.from({ length: n }, (_, i) => point(i)) },
    Group: {
      points: (_: never, { n }: { n: number }) => Array.from({ length: n }, (_, i) => point(i)),
      failing: async (_: never, { n }: { n: number }) =>
        Array.from({ length: n }, async (_, i) => (i === 0 ? assert.fail() : point(i))),
      loaded: async (_: never, { n, of }: { n: number; of: number }) => {
        await together(of)
        return Array.from({ length: n }, (_, i) => point(i))
      },
    },
  }
  for (const [type, fields] of Object.entries(resolvers)) {
    const found = (schema.getType(type) as unknown as { getFields(): Record<string, object> }).getFields()
    for (const [field, resolve] of Object.entries(fields))
      Object.assign(found[field] ?? assert.fail(field), { resolve })
  }
  return schema
}

interface Asked {
  readonly n?: number
  readonly encoding?: string
  readonly operationName?: string
}

/** A server that completes long lists in turns, or as they are. */
async function serve(inTurns: boolean) {
  const counts = { entries: 0, mutations: 0 }
  const plain = schemaOf(
    () => counts.entries++,
    () => counts.mutations++,
  )
  const schema = inTurns ? countLists(plain) : plain
  const graphql = createGraphQL({ schema, ports: {} as Ports, log: silentLog, registry: new Registry() })
  const server = createServer((incoming, outgoing) => {
    servePost(graphql, incoming, outgoing)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${graphqlPath}`
  const headers = { 'content-type': 'application/json' }
  return {
    url,
    counts,
    isCompiled(query: string): boolean {
      const operation = graphql.documents.operation(query, null)
      return operation !== undefined && graphql.compiled.find(operation) !== undefined
    },
    post: (query: string, { n = 3000, encoding, operationName }: Asked = {}) =>
      askHttp(url, {
        method: 'POST',
        headers: encoding ? { ...headers, 'accept-encoding': encoding } : headers,
        body: JSON.stringify({ query, operationName, variables: { n } }),
      }),
    get: (query: string) =>
      askHttp(`${url}?query=${encodeURIComponent(query)}&variables=${encodeURIComponent('{"n":3000}')}`, {}),
    /** A request of which the client has sent all and read nothing. */
    async begin(query: string) {
      const body = JSON.stringify({ query, variables: { n: 20_000 } })
      const sent = request(url, { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) } })
      sent.on('error', () => {})
      const arrived = once(sent, 'response') as Promise<[IncomingMessage]>
      arrived.catch(() => {})
      sent.end(body)
      const [, answer] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
      return { sent, arrived, answer }
    },
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const shapes: Readonly<Record<string, string>> = {
  'lists of objects': '{ a: strict(n: 3000) { epoch v: value text } b: loose(n: 2500) { text __typename } }',
  'lists of values': '{ numbers(n: 9000) texts(n: 9000) }',
  'a list that comes later': '{ texts(n: 5) later(n: 3000) { epoch } numbers(n: 4) }',
  'entries that wait for something': '{ strict(n: 3000) { epoch soon } }',
  'a field that is selected twice':
    '{ strict(n: 3000) { epoch } ...More strict(n: 3000) { text } } fragment More on Query { strict(n: 3000) { plus(by: 2) } }',
  'entries that are promises, one of them rejected': '{ promised(n: 3000, bad: 2500) { epoch } }',
  'lists in lists': '{ groups(n: 80) { name points(n: 90) { epoch } } one { points(n: 4000) { value } } }',
  'many small lists': '{ groups(n: 500) { name points(n: 3) { epoch value } } }',
  'many small lists that come at the same moment':
    '{ groups(n: 500) { name loaded(n: 3, of: 500) { epoch value plus(by: 1) soon } } }',
  'many small lists that come late, of promises that are rejected':
    '{ groups(n: 60) { name } strict(n: 900) { epoch } b: groups(n: 40) { failing(n: 12) { epoch value text } } }',
  'many lists that are not quite so small': '{ groups(n: 300) { name points(n: 20) { epoch value } } }',
  'objects of several types': '{ things(n: 4000) { epoch ... on Other { other } ... on Point { value } } }',
  'a value of a scalar beside a long list': '{ kept { json points(n: 3000) { epoch } } }',
  variables: 'query ($n: Int!) { strict(n: $n) { epoch plus(by: 2) } }',
  'an entry with an error that is null': '{ loose(n: 3000, bad: 2000) { epoch } texts(n: 3000) }',
  'an entry with an error that makes its list null': '{ strict(n: 3000, bad: 2990) { epoch value } texts(n: 3000) }',
  'an error in a list that comes later': '{ later(n: 3000, bad: 100) { epoch value } numbers(n: 3000) }',
  'what is not compiled': 'query ($n: Int!) { strict(n: $n) { epoch @include(if: true) text } }',
}

for (const [what, query] of Object.entries(shapes)) {
  test(`${what}: completed in turns, they are byte for byte what plain execution gives, compiled or not, by POST and GET, in every encoding`, async () => {
    using plain = await serve(false)
    using paced = await serve(true)
    const expected = await plain.post(query)
    assert.match(expected.text, /^\{("data"|"errors")/)
    const same = async (got: Promise<{ text: string; status: number }>): Promise<void> => {
      const { text, status } = await got
      assert.equal(status, expected.status)
      assert.ok(text === expected.text, `${text.slice(0, 300)} instead of ${expected.text.slice(0, 300)}`)
    }
    for (let i = 0; i < 12; i++) await same(paced.post(query))
    assert.equal(paced.isCompiled(query), what !== 'what is not compiled')
    await same(paced.get(query))
    for (const encoding of ['zstd', 'br', 'gzip']) await same(paced.post(query, { encoding }))
  })
}

test('a fragment with a long list gives each operation of a document what its own variables say', async () => {
  using plain = await serve(false)
  using paced = await serve(true)
  const query = `query A($add: Int! = 2) { ...L } query B($add: Int! = 7) { ...L }
    fragment L on Query { strict(n: 3000) { plus(by: $add) } }`
  const [a, b] = [await plain.post(query, { operationName: 'A' }), await plain.post(query, { operationName: 'B' })]
  assert.notEqual(a.text, b.text)
  for (let i = 0; i < 12; i++) {
    assert.ok((await paced.post(query, { operationName: 'A' })).text === a.text)
    assert.ok((await paced.post(query, { operationName: 'B' })).text === b.text)
  }
})

test('of many small lists that come at the same moment, a turn completes about 500 rows', async () => {
  using paced = await serve(true)
  let isDone = false
  const small = 'query ($n: Int!) { groups(n: $n) { loaded(n: 10, of: $n) { epoch value text } } }'
  const answer = paced.post(small, { n: 1500 }).then(() => (isDone = true))
  let most = 0
  for (let seen = 0; !isDone; ) {
    await turn()
    most = Math.max(most, paced.counts.entries - seen)
    seen = paced.counts.entries
  }
  await answer
  assert.equal(paced.counts.entries, 15_000)
  // Those of two turns may be seen at once.
  assert.ok(most <= 1100, `${most} entries in a turn`)
})

const lists = Array.from({ length: 12 }, (_, i) => `l${i}: strict(n: $n) { epoch value text }`)
const long = `query ($n: Int!) { ${lists.join(' ')} }`

for (const [how, runs] of [
  ['interpreted', 1],
  ['compiled', 12],
] as const) {
  const isCompiled = how === 'compiled'

  test(`while an operation with long lists is ${how}, the event loop turns to others again and again`, async () => {
    using paced = await serve(true)
    for (let i = 1; i < runs; i++) await paced.post(long, { n: 1 })
    assert.equal(paced.isCompiled(long), isCompiled)
    const answer = paced.post(long, { n: 20_000 })
    let isDone = false
    const done = answer.then(() => (isDone = true))
    let turnsWithWork = 0
    let before = -1
    while (!isDone) {
      if (paced.counts.entries !== before) turnsWithWork++
      before = paced.counts.entries
      await turn()
    }
    await done
    assert.ok(turnsWithWork > 20, `240,000 entries were completed in ${turnsWithWork} turns`)
  })

  test(`${how} work on long lists ends when its client goes`, async () => {
    using paced = await serve(true)
    for (let i = 1; i < runs; i++) await paced.post(long, { n: 1 })
    assert.equal(paced.isCompiled(long), isCompiled)
    const before = paced.counts.entries
    const { sent } = await paced.begin(long)
    while (paced.counts.entries < before + 5000) await turn()
    sent.destroy()
    let entries = 0
    for (let quiet = 0; quiet < 50; quiet++) {
      await turn()
      if (paced.counts.entries !== entries) quiet = 0
      entries = paced.counts.entries
    }
    assert.ok(entries - before < 200_000, `${entries - before} of 240,000 entries were completed`)
  })
}

test('of a long answer no more is written than the client takes, and all of it when the client reads on', async () => {
  using paced = await serve(true)
  await paced.post(long, { n: 1 })
  const { arrived, answer } = await paced.begin(long)
  const [message] = await arrived
  for (let i = 0; i < 200; i++) await turn()
  const length = Number(message.headers['content-length'])
  assert.ok(length > 8_000_000)
  assert.ok(answer.writableLength < 1_000_000, `${answer.writableLength} of ${length} bytes wait`)
  assert.equal(answer.writableEnded, false)
  const chunks = (await message.toArray()) as Buffer[]
  assert.equal(Buffer.concat(chunks).length, length)
})

test('what a scalar shows stays as it is, however long the lists beside it are', async () => {
  using server = await serve(true)
  for (let run = 0; run < 3; run++) await server.post('{ kept { json points(n: 3000) { epoch } } }')
  assert.equal(JSON.stringify(kept), keptText)
})

for (const [how, isKnown] of [
  ['for the first time', false],
  ['again', true],
] as const) {
  test(`a mutation that is asked for ${how} runs to its end, though its client goes in the midst of it`, async () => {
    using server = await serve(true)
    const mutation = 'mutation ($n: Int!) { long(n: $n) { epoch value text } after }'
    if (isKnown) await server.post(mutation)
    const done = server.counts.mutations
    const { sent } = await server.begin(mutation)
    for (let turns = 0; turns < 3; turns++) await turn()
    assert.equal(server.counts.mutations, done)
    sent.destroy()
    for (let turns = 0; turns < 2000 && server.counts.mutations === done; turns++) await turn()
    assert.equal(server.counts.mutations, done + 1)
  })
}
