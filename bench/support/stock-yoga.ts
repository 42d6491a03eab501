// The baseline: GraphQL Yoga as in its documentation, with defaults, serving the same shape from memory.
// usage: node bench/support/stock-yoga.ts <ticks a second>
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionArgs, GraphQLError } from 'graphql'
import type { OperationResult } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga, Repeater } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { type Tick, Ticker } from './ticker.ts'

interface PriceUpdate extends Tick {
  readonly change: number
  readonly kind: string
  readonly stale: boolean
}

const pubSub = createPubSub<{ price: [symbol: string, update: PriceUpdate] }>()
let newest: Tick = { symbol: 'AAPL', price: 189.32, seq: 0, publishedAt: Date.now() }

const yoga = createYoga({
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      type Quote {
        symbol: String!
        price: Float!
      }
      type PriceUpdate {
        symbol: String!
        price: Float!
        seq: Int!
        publishedAt: Float!
        change: Float
        kind: String!
        stale: Boolean!
      }
      type Query {
        quote(symbol: String!): Quote
      }
      type Subscription {
        priceUpdates(symbols: [String!]!): PriceUpdate!
      }
    `,
    resolvers: {
      Query: { quote: (_root, { symbol }: { symbol: string }) => (symbol === newest.symbol ? newest : null) },
      Subscription: {
        priceUpdates: {
          subscribe: (_root, { symbols }: { symbols: string[] }) => {
            for (const symbol of symbols) ticker.watch(symbol)
            const each = symbols.map((symbol) => pubSub.subscribe('price', symbol))
            return each.length === 1 ? each[0] : Repeater.merge(each)
          },
          resolve: (update: PriceUpdate) => update,
        },
      },
    },
  }),
})

const server = createServer(yoga)

interface Enveloped {
  schema: ExecutionArgs['schema']
  parse: (source: string) => ExecutionArgs['document']
  validate: (schema: unknown, document: unknown) => readonly GraphQLError[]
  contextFactory: () => unknown
  execute: (args: ExecutionArgs) => OperationResult
  subscribe: (args: ExecutionArgs) => OperationResult
}
type Operations = Pick<Enveloped, 'execute' | 'subscribe'>

// https://the-guild.dev/graphql/yoga-server/docs/features/subscriptions#graphql-over-websocket-protocol-via-graphql-ws
useServer(
  {
    execute: (args) => (args.rootValue as Operations).execute(args),
    subscribe: (args) => (args.rootValue as Operations).subscribe(args),
    async onSubscribe(context, _id, params) {
      const { request, socket } = context.extra
      const enveloped = yoga.getEnveloped({ ...context, req: request, socket, params }) as unknown as Enveloped
      const { schema, execute, subscribe, contextFactory, parse, validate } = enveloped
      const args = {
        schema,
        operationName: params.operationName ?? null,
        document: parse(params.query),
        variableValues: params.variables ?? null,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      }
      const errors = validate(args.schema, args.document)
      return errors.length > 0 ? errors : args
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
)

const ticker = new Ticker(Number(process.argv[2]), (tick) => {
  if (tick.symbol === newest.symbol) newest = tick
  pubSub.publish('price', tick.symbol, { ...tick, change: 0.5, kind: 'TICK', stale: false })
})
ticker.watch(newest.symbol)
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}${yoga.graphqlEndpoint}\n`)
})
