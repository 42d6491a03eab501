import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
  type OperationTypeNode,
} from 'graphql'
import { schema } from '../../../src/schema/index.ts'
import { startApp } from '../../support/app.ts'
import { metric, post } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

/** A text that a client may send: Postgres would get each half of a pair as U+FFFD, and NUL not at all. */
const texts = ['q\ud800', 'q\ud801', '\udc00q', '\udc00\ud800', 'a\ud83dz', 'a\0b', '\0']

interface Place {
  readonly kind: 'query' | 'mutation' | 'subscription'
  readonly root: string
  /** Of arguments and input fields, outermost first. */
  readonly path: readonly string[]
  readonly type: string
}

/** Where the arguments of root fields take a text of any kind. */
function textPlaces(): Place[] {
  const places: Place[] = []
  for (const kind of ['query', 'mutation', 'subscription'] as const) {
    const fields = schema.getRootType(kind as OperationTypeNode)?.getFields() ?? {}
    for (const { name: root, args } of Object.values(fields)) {
      const walk = ({ name, type }: GraphQLArgument | GraphQLInputField, outer: readonly string[]): void => {
        const named = getNamedType(type)
        const path = [...outer, name]
        if (isInputObjectType(named)) for (const field of Object.values(named.getFields())) walk(field, path)
        else if (['String', 'ID', 'Symbol', 'JSON'].includes(named.name))
          places.push({ kind, root, path, type: named.name })
      }
      for (const arg of args) walk(arg, [])
    }
  }
  return places
}

/** A value of the type: the text at the place that the path leads to, and elsewhere what has to be there. */
function inputFor(type: GraphQLType, path: readonly string[] | null, text: string): unknown {
  if (isNonNullType(type)) return inputFor(type.ofType, path, text)
  if (isListType(type)) return [inputFor(type.ofType, path, text)]
  if (isEnumType(type)) return type.getValues()[0]?.name
  if (!isInputObjectType(type)) return path ? text : type === schema.getType('Symbol') ? 'AAPL' : '2025-01-01T00:00:00Z'
  const given = Object.values(type.getFields()).filter(
    (field) => field.name === path?.[0] || isRequiredInputField(field),
  )
  return Object.fromEntries(
    given.map(({ name, type }) => [name, inputFor(type, name === path?.[0] ? path.slice(1) : null, text)]),
  )
}

interface Answer {
  readonly errors?: readonly { readonly message: string; readonly extensions: { code: string; field?: string } }[]
  readonly data?: Readonly<Record<string, { __typename: string; code?: string; field?: string } | null>> | null
}

async function ask({ kind, root, path }: Place, text: string): Promise<Answer> {
  const { args, type } = schema.getRootType(kind as OperationTypeNode)?.getFields()[root] ?? assert.fail(root)
  const asked = args.filter((arg) => arg.name === path[0] || isRequiredArgument(arg))
  const variables = Object.fromEntries(
    asked.map(({ name, type }) => [name, inputFor(type, name === path[0] ? path.slice(1) : null, text)]),
  )
  const declared = asked.map(({ name, type }) => `$${name}: ${type}`).join(', ')
  const given = asked.map(({ name }) => `${name}: $${name}`).join(', ')
  const named = getNamedType(type)
  const refusals = (isUnionType(named) ? named.getTypes() : []).flatMap(({ name }) =>
    name === 'InvalidInput'
      ? [`... on ${name} { code field }`]
      : name === 'NotFound'
        ? [`... on ${name} { code }`]
        : [],
  )
  const selection = isLeafType(named) ? '' : `{ __typename ${refusals.join(' ')} }`
  return post(app.api, `${kind} (${declared}) { ${root}(${given}) ${selection} }`, variables) as Promise<Answer>
}

const rows = async (): Promise<number> =>
  (await database.query<{ count: number }>('SELECT count(*)::int AS count FROM finstage.jobs'))[0]?.count ?? 0

const places = textPlaces()

test('there are texts of each kind to be tried', () => {
  const roots = places.map(({ root, path }) => `${root}.${path.join('.')}`)
  for (const root of [
    'enqueueAnalysis.input.idempotencyKey',
    'enqueueBacktest.input.idempotencyKey',
    'searchInstruments.query',
    'jobs.after',
    'priceUpdates.after',
    'cancelJob.id',
    'candles.symbol',
  ]) {
    assert.ok(roots.includes(root), root)
  }
})

for (const place of places) {
  const { root, path, type } = place
  test(`half a surrogate pair or NUL as ${path.join('.')} of ${root} is the client's mistake`, async () => {
    const internal = (): Promise<number> => metric(app.metrics, 'finstage_request_errors_total', 'code="INTERNAL"')
    const [failed, stored] = [await internal(), await rows()]
    for (const text of texts) {
      const { errors, data } = await ask(place, text)
      const shown = `${JSON.stringify(text)}: ${JSON.stringify({ errors, data })}`
      const refusal = errors ? errors[0]?.extensions : data?.[root]
      // An id that is none is an id of nothing.
      const codes = type === 'ID' ? ['BAD_USER_INPUT', 'NOT_FOUND'] : ['BAD_USER_INPUT']
      assert.ok(codes.includes(refusal?.code ?? ''), shown)
      if (type === 'String') assert.equal(refusal?.field, path.at(-1), shown)
      assert.equal(errors?.length ?? 1, 1, shown)
    }
    assert.deepEqual([await internal(), await rows()], [failed, stored])
  })
}

test('whole surrogate pairs make keys of their own', async () => {
  const enqueue = async (key: string): Promise<unknown> => {
    const { data } = await post<{ enqueueAnalysis: object }>(
      app.api,
      `mutation ($key: String!) { enqueueAnalysis(input: { symbols: ["AAPL"], idempotencyKey: $key }) {
         ... on EnqueuePayload { deduplicated } ... on InvalidInput { field } } }`,
      { key },
    )
    return data?.enqueueAnalysis
  }
  const keys = ['q\u{1f4c8}', 'q\u{1f4c9}', 'q\ufffd', '\u{1f4c8}'.repeat(200)]
  for (const deduplicated of [false, true]) {
    for (const key of keys) assert.deepEqual(await enqueue(key), { deduplicated }, key)
  }
  assert.deepEqual(await enqueue('\u{1f4c8}'.repeat(201)), { field: 'idempotencyKey' })
})
