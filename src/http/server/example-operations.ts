/** The operations that GraphiQL opens with. Each runs as it is. */
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

subscription LiveCandle {
  candleUpdates(symbol: "AAPL", interval: MINUTE_1) {
    kind
    candle { time open high low close volume closed }
    series { rsi { value } }
  }
}

query Indicators {
  candles(symbol: "AAPL", last: 30) {
    signals { time kind direction price strength }
    macd { time macd signal histogram }
    bollingerBands { time upper middle lower }
    stochastic { time k d }
  }
}

mutation Analyse {
  enqueueAnalysis(input: {
    symbols: ["AAPL", "MSFT", "NVDA"]
    priority: HIGH
  }) {
    ... on EnqueuePayload { job { id state } }
    ... on InvalidInput { field message }
  }
}

query LatestAnalysis {
  instrument(symbol: "AAPL") {
    name
    latestAnalysis {
      asOf
      price
      trend
      sentiment
      score
      indicators { sma50 sma200 rsi14 adx14 }
      signals { time kind direction }
    }
  }
}

query Signals {
  signals(first: 10) {
    edges {
      node {
        symbol
        time
        kind
        direction
        price
        strength
        outcome { return1d return1w return1m }
      }
    }
  }
}

# Trades the signals since 2015, long and short.
mutation Backtest {
  enqueueBacktest(input: {
    symbols: ["AAPL", "MSFT", "NVDA"]
    signals: [GOLDEN_CROSS, DEATH_CROSS, RSI_OVERSOLD]
    from: "2015-01-01T00:00:00Z"
    holdDays: 10
    stopLoss: 0.05
  }) {
    ... on EnqueuePayload { job { id state } }
    ... on InvalidInput { field message }
  }
}

mutation Report {
  enqueueDailyReport(input: {
    symbols: ["^GSPC", "AAPL", "NVDA"]
  }) {
    ... on EnqueuePayload { job { id state } }
    ... on InvalidInput { field message }
  }
}

# What came of the jobs.
query Jobs {
  jobs(first: 5) {
    edges {
      node {
        id
        kind
        state
        progress
        result {
          ... on AnalysisResult {
            analyses { symbol trend sentiment score }
            failures { symbol code message }
          }
          ... on BacktestResult {
            tradeCount
            winRate
            totalReturn
            benchmarkReturn
            maxDrawdown
            sharpe
            bySignal { kind tradeCount winRate }
          }
          ... on DailyReport { date text }
        }
      }
    }
  }
}

subscription JobProgress {
  jobUpdates { id kind state progress attempt }
}

subscription NewSignals {
  signalEvents { symbol time kind direction price }
}

query HoursOfTheSession {
  candles(symbol: "AAPL", interval: HOUR_4, last: 20) {
    columns { epoch open high low close volume }
  }
}

query WeeksWithDividends {
  candles(
    symbol: "AAPL"
    interval: WEEK_1
    adjustment: SPLITS_AND_DIVIDENDS
    last: 52
  ) {
    hasEarlier
    columns { epoch close sma(period: 10) }
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
