// A baseline: Mercurius on Fastify as its documentation has it, serving the same shape from memory.
// usage: node bench/peers/mercurius.mjs <ticks a second>
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { Ticker } from '../support/ticker.ts'

let newest = { symbol: 'AAPL', price: 189.32, seq: 0, publishedAt: Date.now() }
const app = Fastify()
const ticker = new Ticker(Number(process.argv[2]), (tick) => {
  newest = tick
  app.graphql.pubsub.publish({ topic: tick.symbol, payload: { priceUpdates: tick } })
})

app.register(mercurius, {
  schema: /* GraphQL */ `
    type Quote {
      symbol: String!
      price: Float!
    }
    type PriceUpdate {
      symbol: String!
      price: Float!
      seq: Int!
      publishedAt: Float!
    }
    type Query {
      quote(symbol: String!): Quote
    }
    type Subscription {
      priceUpdates(symbols: [String!]!): PriceUpdate!
    }
  `,
  resolvers: {
    Query: { quote: (_root, { symbol }) => (symbol === newest.symbol ? newest : null) },
    Subscription: {
      priceUpdates: {
        subscribe: (_root, { symbols }, { pubsub }) => {
          for (const symbol of symbols) ticker.watch(symbol)
          return pubsub.subscribe(symbols)
        },
      },
    },
  },
  subscription: true,
  // https://mercurius.dev/#/docs/api/options: a query that was asked once is compiled. Subscriptions are not.
  jit: 1,
})
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}/graphql\n`)
