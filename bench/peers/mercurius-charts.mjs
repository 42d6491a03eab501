// A baseline: Mercurius on Fastify with its JIT, serving charts of the same shape from arrays in memory.
// usage: node bench/peers/mercurius-charts.mjs <symbols> <date of the open candle, in days since 1970>
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { cutColumns, peerCharts, quoteOf } from '../charts/peer-market.ts'

const charts = peerCharts(Number(process.argv[2]), Number(process.argv[3]))
const app = Fastify()

/** Points as objects, from columns of equal length. */
const points = (times, columns) => {
  const names = Object.keys(columns)
  return times.map((epoch, i) => {
    const point = { epoch }
    for (const name of names) point[name] = columns[name][i]
    return point
  })
}

app.register(mercurius, {
  schema: /* GraphQL */ `
    type MacdColumns {
      macd: [Float]!
      signal: [Float]!
      histogram: [Float]!
    }
    type BandColumns {
      upper: [Float]!
      middle: [Float]!
      lower: [Float]!
    }
    type CandleColumns {
      time: [Int!]!
      open: [Float!]!
      high: [Float!]!
      low: [Float!]!
      close: [Float!]!
      volume: [Float]!
      sma(period: Int! = 20): [Float]
      ema(period: Int! = 20): [Float]
      rsi(period: Int! = 14): [Float]
      macd: MacdColumns
      bollingerBands(period: Int! = 20): BandColumns
    }
    type IndicatorPoint {
      epoch: Int!
      value: Float!
    }
    type MacdPoint {
      epoch: Int!
      macd: Float!
      signal: Float
      histogram: Float
    }
    type BandPoint {
      epoch: Int!
      upper: Float!
      middle: Float!
      lower: Float!
    }
    type CandleSeries {
      columns: CandleColumns!
      sma(period: Int! = 20): [IndicatorPoint!]
      ema(period: Int! = 20): [IndicatorPoint!]
      rsi(period: Int! = 14): [IndicatorPoint!]
      macd: [MacdPoint!]
      bollingerBands(period: Int! = 20): [BandPoint!]
    }
    type Quote {
      price: Float!
      changePercent: Float
    }
    type Instrument {
      symbol: Symbol!
      quote: Quote
      candles(last: Int): CandleSeries
    }
    scalar Symbol
    type Query {
      candles(symbol: Symbol!, last: Int): CandleSeries
      instruments(symbols: [Symbol!]!): [Instrument]!
    }
  `,
  resolvers: {
    Query: {
      candles: (_root, { symbol, last }) => ({ chart: charts.get(symbol), last }),
      instruments: (_root, { symbols }) => symbols.map((symbol) => charts.get(symbol)),
    },
    Instrument: {
      quote: (chart) => quoteOf(chart),
      candles: (chart, { last }) => ({ chart, last }),
    },
    CandleSeries: {
      columns: ({ chart, last }) => (last < 1000 ? cutColumns(chart, last) : chart.columns),
      sma: ({ chart: { columns } }) => points(columns.time, { value: columns.sma }),
      ema: ({ chart: { columns } }) => points(columns.time, { value: columns.ema }),
      rsi: ({ chart: { columns } }) => points(columns.time, { value: columns.rsi }),
      macd: ({ chart: { columns } }) => points(columns.time, columns.macd),
      bollingerBands: ({ chart: { columns } }) => points(columns.time, columns.bollingerBands),
    },
  },
  // https://mercurius.dev/#/docs/api/options: a query that was asked once is compiled.
  jit: 1,
})
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}/graphql\n`)
