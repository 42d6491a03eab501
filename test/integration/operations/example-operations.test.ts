import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kind, type OperationDefinitionNode, OperationTypeNode, parse, print } from 'graphql'
import { exampleOperations } from '../../../src/http/server/example-operations.ts'
import { startApp } from '../../support/app.ts'
import { eventually, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

interface Jobs {
  readonly jobs: {
    readonly edges: readonly { readonly node: { kind: string; state: string; result: object | null } }[]
  }
}

const examples = parse(exampleOperations).definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION)
const ofType = (type: OperationTypeNode): OperationDefinitionNode[] =>
  examples.filter(({ operation }) => operation === type)

test('every example operation runs as it is: queries answer, subscriptions tell, jobs succeed and their results are shown', async () => {
  await using database = await createTestDatabase()
  await using app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
  const streams = ofType(OperationTypeNode.SUBSCRIPTION).map((example) => subscribe(app.api, print(example)))
  await using _streams = {
    [Symbol.asyncDispose]: async () => void (await Promise.all(streams.map((each) => each.close()))),
  }
  const told = Promise.all(streams.map((stream) => stream.next()))

  const mutations = ofType(OperationTypeNode.MUTATION)
  for (const mutation of mutations) {
    const { data, errors } = await post(app.api, print(mutation))
    assert.match(JSON.stringify({ data, errors }), /^\{"data":\{"\w+":\{"job":\{"id":"[^"]+","state":"QUEUED"\}\}\}\}$/)
  }
  const jobs = examples.find(({ name }) => name?.value === 'Jobs') ?? assert.fail('there is no example of jobs')
  let results: Jobs['jobs']['edges'] = []
  await eventually(async () => {
    const { data } = await post<Jobs>(app.api, print(jobs))
    results = data?.jobs.edges ?? []
    return results.length === mutations.length && results.every(({ node }) => node.state === 'SUCCEEDED')
  }, 'all jobs have succeeded')
  for (const { node } of results) assert.ok(Object.keys(node.result ?? {}).length > 1, `${node.kind} has no result`)

  for (const { data, errors } of await told) {
    assert.equal(errors, undefined)
    assert.ok(data)
  }
  for (const query of ofType(OperationTypeNode.QUERY)) {
    const { data, errors } = await post(app.api, print(query))
    assert.equal(errors, undefined, query.name?.value)
    const [answer] = Object.values(data ?? {})
    assert.doesNotMatch(JSON.stringify(answer), /^(null|\[\])$|"edges":\[\]|"latestAnalysis":null/, query.name?.value)
  }
})
