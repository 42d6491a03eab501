import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ask, eventually, post, subscribe } from '../clients/client.ts'
import { overSse } from '../clients/sse.ts'

const enqueue = (symbol: string): string =>
  `mutation { enqueueAnalysis(input: { symbols: ["${symbol}"] }) { __typename ... on EnqueuePayload { job { id } } } }`

/** What is read of the database alone. */
export const readingQueries = (jobId: string): string[] => [
  `{ job(id: "${jobId}") { state } }`,
  `{ node(id: "${jobId}") { id } }`,
  '{ jobs { edges { node { state } } } }',
  '{ signals { edges { node { kind } } } }',
  '{ analyses(symbol: "AAPL") { edges { node { trend } } } }',
]

/** What changes it. */
export const changingMutations = (jobId: string): string[] => [
  enqueue('AAPL'),
  'mutation { enqueueBackfill(input: { symbols: ["AAPL"], from: "2020-01-01T00:00:00Z" }) { __typename } }',
  'mutation { enqueueBacktest(input: { symbols: ["AAPL"], signals: [GOLDEN_CROSS] }) { __typename } }',
  'mutation { enqueueDailyReport(input: { symbols: ["AAPL"] }) { __typename } }',
  `mutation { enqueueAnalysis(input: { symbols: ["AAPL"], idempotencyKey: "k" }) { __typename } }`,
  `mutation { cancelJob(id: "${jobId}") { __typename } }`,
  `mutation { retryJob(id: "${jobId}") { __typename } }`,
]

export const followingSubscriptions = (jobId: string): string[] => [
  `subscription { jobUpdates(id: "${jobId}") { state } }`,
  'subscription { jobUpdates { id state } }',
  'subscription { signalEvents { kind } }',
]

export async function enqueued(api: string): Promise<string> {
  const { data } = await post<{ enqueueAnalysis: { job: { id: string } } }>(api, enqueue('MSFT'))
  assert.ok(data?.enqueueAnalysis)
  return data.enqueueAnalysis.job.id
}

async function get(api: string, query: string): Promise<Answer<Record<string, unknown>>> {
  const response = await fetch(`${api}/graphql?query=${encodeURIComponent(query)}`, {
    headers: { accept: 'application/json' },
  })
  return (await response.json()) as Answer<Record<string, unknown>>
}

async function firstOverSse(api: string, query: string): Promise<Answer<Record<string, unknown>>> {
  const abort = new AbortController()
  const payloads = overSse(api, query, {}, abort.signal)
  await eventually(() => payloads.length > 0, `an event of ${query}`)
  abort.abort()
  return JSON.parse(payloads[0] ?? '') as Answer<Record<string, unknown>>
}

async function firstOverWebSocket(api: string, query: string): Promise<Answer<Record<string, unknown>>> {
  await using stream = subscribe(api, query)
  return await stream.next()
}

/** An answer with what was asked, how, and how long it took. */
export interface Asked {
  readonly what: string
  readonly answer: Answer<Record<string, unknown>>
  readonly tookMs: number
}

type Transport = readonly [name: string, call: (api: string, query: string) => Promise<Answer<Record<string, unknown>>>]

const transportsOf = (operation: string): readonly Transport[] => {
  if (operation.startsWith('subscription')) return [['SSE', firstOverSse] as const, ['WebSocket', firstOverWebSocket]]
  const both: readonly Transport[] = [
    ['POST', post],
    ['WebSocket', ask],
  ]
  return operation.startsWith('mutation') ? both : [...both, ['GET', get]]
}

/** Each operation on each transport that takes it, all at once. */
export function askEverywhere(api: string, operations: readonly string[]): Promise<Asked[]> {
  const calls = operations.flatMap((operation) =>
    transportsOf(operation).map((transport) => ({ operation, transport })),
  )
  return Promise.all(
    calls.map(async ({ operation, transport: [name, call] }) => {
      const startedMs = performance.now()
      const answer = await call(api, operation)
      return { what: `${name} ${operation}`, answer, tookMs: performance.now() - startedMs }
    }),
  )
}

/** Every answer is UNAVAILABLE, says when to come back, tells nothing of the database, and came in time. */
export function assertUnavailable(asked: readonly Asked[], withinMs: number): void {
  for (const { what, answer, tookMs } of asked) {
    const [error] = answer.errors ?? []
    assert.equal(error?.extensions.code, 'UNAVAILABLE', `${what}: ${JSON.stringify(answer)}`)
    assert.ok(Number(error.extensions.retryAfterSeconds) > 0, `${what}: ${JSON.stringify(answer)}`)
    assert.match(error.message, /^The database (is out of reach|accepts no changes) at the moment$/, what)
    assert.ok(tookMs < withinMs, `${what} took ${tookMs} ms`)
  }
}

/** A client that asks for quotes all the time. Stopping it tells how many it got, and how long the slowest took. */
export function watchQuotes(api: string): { stop: () => Promise<{ count: number; slowestMs: number }> } {
  let isStopped = false
  let slowestMs = 0
  let count = 0
  const watch = async (): Promise<void> => {
    while (!isStopped) {
      const startedMs = performance.now()
      const { data, errors } = await post<{ quote: { price: number; stale: boolean } }>(
        api,
        '{ quote(symbol: "AAPL") { price stale } }',
      )
      assert.deepEqual([typeof data?.quote?.price, data?.quote?.stale, errors], ['number', false, undefined])
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
      count++
      await sleep(50)
    }
  }
  const watching = watch()
  // Told where it is stopped.
  watching.catch(() => {})
  return {
    async stop() {
      isStopped = true
      await watching
      return { count, slowestMs }
    },
  }
}
