/** What GraphiQL opens with: each of these runs as it is. */
export const exampleOperations = `# Welcome to Finstage. Put the cursor into an
# operation and press Ctrl-Enter.

query Quotes {
  quotes(symbols: ["AAPL", "MSFT", "BTC-USD"]) {
    symbol
    price
    changePercent
    time
    source
  }
}

query Chart {
  candles(symbol: "AAPL", interval: DAY_1, last: 30) {
    nodes { time open high low close volume }
    sma(period: 20) { time value }
    rsi { time value }
  }
}

subscription LivePrices {
  priceUpdates(symbols: ["AAPL", "BTC-USD"]) {
    kind
    symbol
    price
    changePercent
    seq
    time
  }
}

mutation Analyse {
  enqueueAnalysis(input: { symbols: ["AAPL", "MSFT", "NVDA"], priority: HIGH }) {
    ... on EnqueuePayload { job { id state } }
    ... on InvalidInput { field message }
  }
}

query Jobs {
  jobs(first: 5) {
    edges {
      node {
        id
        state
        progress
        result {
          ... on AnalysisResult {
            analyses { symbol price trend indicators { sma20 sma50 rsi14 } }
            failures { symbol code message }
          }
        }
      }
    }
  }
}

subscription JobProgress {
  jobUpdates { id state progress attempt }
}

query WeeksWithDividends {
  candles(symbol: "AAPL", interval: WEEK_1, adjustment: SPLITS_AND_DIVIDENDS, last: 52) {
    hasEarlier
    columns { time close }
  }
}

query Find {
  searchInstruments(query: "apple") {
    symbol
    name
    exchange
    instrument { currency quote { price } }
  }
}
`
