import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { cacheExchange, fetchExchange, subscriptionExchange, Client as UrqlClient } from '@urql/core'
import { EventSource } from 'eventsource'
import { OperationTypeNode } from 'graphql'
import { type ClientOptions, createClient } from 'graphql-ws'
import { startApp } from '../../support/app.ts'
import { eventually, metric } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'

const database = await createTestDatabase()
const app = await startApp({
  ...{ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', SIMULATED_TICKS_PER_SECOND: '20' },
})
after(async () => {
  await app.stop()
  await database[Symbol.asyncDispose]()
})

interface Update {
  readonly kind: string
  readonly symbol: string
  readonly price: number
  readonly seq: number
}

interface Data {
  readonly priceUpdates: Update
}

interface Told {
  readonly message: string
  readonly extensions?: Readonly<Record<string, unknown>>
}

interface Sink {
  update(update: Update): void
  refused(errors: readonly Told[]): void
}

interface PriceClient extends AsyncDisposable {
  /** Returns what unsubscribes. */
  follow(symbols: readonly string[], sink: Sink): () => void
}

const query = `subscription Live($symbols: [Symbol!]!) {
  priceUpdates(symbols: $symbols) { kind symbol price seq quote { id price } }
}`
const http = `${app.api}/graphql`
/** Not lazy, so that the socket stays when nobody subscribes: what is freed is freed because of the unsubscribing. */
const openSocket = (on?: ClientOptions['on']) =>
  createClient({ url: http.replace('http', 'ws'), lazy: false, retryAttempts: 0, ...(on ? { on } : {}) })

const clients: Readonly<Record<string, () => PriceClient>> = {
  'graphql-ws': () => {
    const socket = openSocket()
    return {
      follow: (symbols, sink) =>
        socket.subscribe<Data>(
          { query, variables: { symbols } },
          {
            next: ({ data, errors }) => (data ? sink.update(data.priceUpdates) : sink.refused(errors ?? [])),
            error: (error) => sink.refused(error as readonly Told[]),
            complete: () => {},
          },
        ),
      [Symbol.asyncDispose]: async () => socket.dispose(),
    }
  },

  'Apollo Client': () => {
    const { client, close } = apollo()
    return {
      follow: (symbols, sink) => {
        const following = client
          .subscribe<Data>({ query: gql(query), variables: { symbols } })
          .subscribe(({ data, error }) => {
            if (data) sink.update(data.priceUpdates)
            else sink.refused(CombinedGraphQLErrors.is(error) ? error.errors : [error as Error])
          })
        return () => following.unsubscribe()
      },
      [Symbol.asyncDispose]: close,
    }
  },

  urql: () => {
    const { client, close } = urql()
    return {
      follow: (symbols, sink) => {
        const following = client.subscription<Data>(query, { symbols }).subscribe(({ data, error, hasNext }) => {
          // The end is told as the last answer once more.
          if (!hasNext) return
          if (data) sink.update(data.priceUpdates)
          else sink.refused(error?.graphQLErrors ?? [])
        })
        return following.unsubscribe
      },
      [Symbol.asyncDispose]: close,
    }
  },

  EventSource: () => {
    const sources: EventSource[] = []
    return {
      follow: (symbols, sink) => {
        const source = new EventSource(
          `${http}?${new URLSearchParams({ query, variables: JSON.stringify({ symbols }) })}`,
        )
        sources.push(source)
        source.addEventListener('next', ({ data }) => {
          const answer = JSON.parse(data) as { data?: Data; errors?: Told[] }
          if (answer.data) sink.update(answer.data.priceUpdates)
          else sink.refused(answer.errors ?? [])
        })
        // It would ask again.
        source.addEventListener('complete', () => source.close())
        return () => source.close()
      },
      [Symbol.asyncDispose]: async () => {
        for (const source of sources) source.close()
      },
    }
  },
}

function apollo() {
  const opened = Promise.withResolvers<void>()
  const socket = openSocket({ connected: () => opened.resolve(), closed: (event) => opened.reject(event) })
  opened.promise.catch(() => {})
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({ uri: http }),
  )
  const client = new ApolloClient({ link, cache: new InMemoryCache() })
  const close = async (): Promise<void> => {
    client.stop()
    await socket.dispose()
  }
  /** Resolves when the socket is open; without it a subscription fails at once, as nothing is tried again. */
  return { client, close, opened: opened.promise }
}

function urql() {
  const socket = openSocket()
  const client = new UrqlClient({
    url: http,
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables = {} }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query, variables },
              { next: (result) => sink.next(result as never), error: sink.error, complete: sink.complete },
            ),
          }),
        }),
      }),
    ],
  })
  return { client, close: async () => socket.dispose() }
}

const subscriptions = (): Promise<number> => metric(app.metrics, 'finstage_price_subscriptions')
const connections = (): Promise<number> => metric(app.metrics, 'finstage_live_connections')

for (const [name, connect] of Object.entries(clients)) {
  test(`${name} takes a SNAPSHOT of each symbol and then every price, and leaves nothing behind when it unsubscribes`, async () => {
    await using client = connect()
    const updates: Update[] = []
    const unsubscribe = client.follow(['AAPL', 'BTC-USD'], {
      update: (update) => updates.push(update),
      refused: (errors) => assert.fail(JSON.stringify(errors)),
    })
    const of = (symbol: string): Update[] => updates.filter((update) => update.symbol === symbol)
    await eventually(() => of('AAPL').length > 5 && of('BTC-USD').length > 5, 'prices')
    assert.equal(await subscriptions(), 1)
    unsubscribe()
    await eventually(async () => (await subscriptions()) === 0, 'nothing is left')
    for (const [first, ...further] of [of('AAPL'), of('BTC-USD')]) {
      assert.equal(first?.kind, 'SNAPSHOT')
      assert.deepEqual(
        further.map(({ kind, seq }) => [kind, seq]),
        further.map((_, i) => ['TICK', (first?.seq ?? 0) + 1 + i]),
      )
      assert.ok(further.every(({ price }) => price > 0))
    }
    const sockets = name === 'EventSource' ? 0 : 1
    await eventually(async () => (await connections()) === sockets, 'the socket stays')
  })

  test(`${name} is told which symbol is unknown, and nothing more`, async () => {
    await using client = connect()
    const refused: (readonly Told[])[] = []
    client.follow(['AAPL', 'NOPE'], {
      update: (update) => assert.fail(JSON.stringify(update)),
      refused: (errors) => refused.push(errors),
    })
    await eventually(() => refused.length > 0, 'the refusal')
    await eventually(async () => (await subscriptions()) === 0, 'nothing is left')
    assert.deepEqual(
      refused.map((errors) => errors.map(({ extensions }) => [extensions?.code, extensions?.symbol])),
      [[['SYMBOL_NOT_FOUND', 'NOPE']]],
    )
  })
}

interface Chart {
  readonly instrument: {
    readonly id: string
    readonly symbol: string
    readonly quote: { readonly id: string; readonly price: number }
    readonly candles: {
      readonly nodes: readonly { readonly time: string; readonly close: number }[]
      readonly rsi: readonly { readonly time: string; readonly value: number }[]
    }
  }
}

const chart = `query Chart {
  instrument(symbol: "AAPL") {
    id symbol quote { id price } candles(last: 30) { nodes { time close } rsi { time value } }
  }
}`
const charts = (): Promise<number> =>
  metric(app.metrics, 'finstage_requests_total', 'operation="instrument",kind="query",outcome="ok"')

/** As the newest candle still forms, the same of two answers is what lies before it. */
const settled = ({ instrument: { candles } }: Chart) => ({
  closes: candles.nodes.slice(0, -1).map(({ time, close }) => [time, close]),
  rsi: candles.rsi.slice(0, -1).map(({ time, value }) => [time, value]),
})

test('Apollo Client and urql get the same candles with one indicator point each, and ask only once', async () => {
  const { client: byApollo, close: closeApollo } = apollo()
  const { client: byUrql, close: closeUrql } = urql()
  const answers: Chart[] = []
  for (let i = 0; i < 2; i++) {
    const [one, other] = await Promise.all([
      byApollo.query<Chart>({ query: gql(chart) }),
      byUrql.query<Chart>(chart, {}).toPromise(),
    ])
    assert.ok(one.data && other.data)
    answers.push(one.data, other.data)
  }
  assert.equal(await charts(), 2)
  const [first, ...others] = answers.map(settled)
  assert.equal(first?.closes.length, 29)
  assert.deepEqual(
    first.rsi.map(([time]) => time),
    first.closes.map(([time]) => time),
  )
  for (const other of others) assert.deepEqual(other, first)
  await Promise.all([closeApollo(), closeUrql()])
})

test('Apollo Client caches objects by their ids, so a live price updates an earlier query', async () => {
  const { client, close, opened } = apollo()
  await opened
  const before = await charts()
  const prices: number[] = []
  const watching = client.watchQuery<Chart>({ query: gql(chart) }).subscribe(({ data, dataState }) => {
    if (dataState === 'complete') prices.push(data.instrument.quote.price)
  })
  await eventually(() => prices.length === 1, 'the answer')
  const cached = client.cache.extract() as Record<string, Record<string, object>>
  const instrument = cached.ROOT_QUERY?.['instrument({"symbol":"AAPL"})'] as { __ref: string }
  const fields = cached[instrument.__ref] as Record<string, { __ref: string }>
  assert.match(`${instrument.__ref} ${fields.quote?.__ref}`, /^Instrument:\S+ Quote:\S+$/)
  assert.ok('candles({"last":30})' in fields)

  const live: number[] = []
  const failures: unknown[] = []
  const following = client
    .subscribe<Data>({ query: gql(query), variables: { symbols: ['AAPL'] } })
    .subscribe(({ data, error }) => {
      if (data) live.push(data.priceUpdates.price)
      else failures.push(error)
    })
  await eventually(() => new Set(prices).size > 1 || failures.length > 0, 'another price of what was queried once')
  assert.deepEqual(failures, [])
  assert.ok(prices.slice(1).every((price) => live.includes(price)))
  assert.equal(await charts(), before + 1)
  following.unsubscribe()
  watching.unsubscribe()
  await close()
})
