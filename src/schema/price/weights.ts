// Written by `npm run price`, which measures it. Microseconds of CPU of the server's thread, on the machine of the bench.
export const weights = {
  request: 27.2,
  newDocument: 159,
  newField: 7.23,
  pair: 0.001,
  leaf: 0.0974,
  instant: 0.552,
  object: 0.108,
  interpretedLeaf: 0.292,
  interpretedObject: 0.231,
  error: 35.3,
  listing: 0.669,
  series: 14.2,
  row: 0.001,
  newSeries: 1210,
  newRow: 1.69,
  composed: 17.4,
  composedPart: 0.135,
  adjustedRow: 0.122,
  node: 0.001,
  column: 4.29,
  columnNumber: 0.00515,
  plainNumber: 0.128,
  interpretedNumber: 0.187,
  indicator: 11.6,
  point: 0.137,
  signalRow: 4.25,
  search: 22.2,
  page: 182,
  pageRow: 3.85,
  jobResult: 125,
  jobSymbol: 6.15,
  enqueue: 490,
  enqueueSymbol: 0.001,
  session: 1,
  actions: 93.4,
  seat: 5,
  liveSeries: 300,
  indicators: {
    sma: {
      row: 0.0638,
      window: 0.00862,
    },
    ema: {
      row: 0.101,
      window: 0.0000119,
    },
    wma: {
      row: 0.108,
      window: 0.0013,
    },
    rsi: {
      row: 0.0895,
      window: 0,
    },
    roc: {
      row: 0.105,
      window: 0,
    },
    trix: {
      row: 0.137,
      window: 0,
    },
    cci: {
      row: 0.116,
      window: 0.00894,
    },
    mfi: {
      row: 0.149,
      window: 0.0156,
    },
    williamsR: {
      row: 0.196,
      window: 0,
    },
    atr: {
      row: 0.21,
      window: 0,
    },
    obv: {
      row: 0.104,
      window: 0,
    },
    adl: {
      row: 0.116,
      window: 0,
    },
    vwap: {
      row: 0.125,
      window: 0,
    },
    forceIndex: {
      row: 0.105,
      window: 0,
    },
    awesomeOscillator: {
      row: 0.179,
      window: 0.00851,
    },
    psar: {
      row: 0.0931,
      window: 0,
    },
    macd: {
      row: 0.322,
      window: 0,
    },
    bollingerBands: {
      row: 0.331,
      window: 0.00987,
    },
    keltnerChannels: {
      row: 0.471,
      window: 0,
    },
    stochastic: {
      row: 0.363,
      window: 0,
    },
    stochasticRsi: {
      row: 0.366,
      window: 0,
    },
    adx: {
      row: 0.553,
      window: 0.00149,
    },
    ichimoku: {
      row: 1.21,
      window: 0,
    },
  },
} as const
