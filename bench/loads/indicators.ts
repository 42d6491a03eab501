// suites/indicators.ts runs this in a process of its own: options in as JSON, figures out as JSON.
import { BollingerBands, EMA, MACD, RSI, SMA } from 'technicalindicators'

export interface IndicatorOptions {
  readonly url: string
  readonly symbol: string
  readonly rounds: number
  readonly durationMs: number
}

export interface IndicatorFigures {
  readonly plainMs: number[]
  readonly chartMs: number[]
  readonly libraryMs: number[]
  readonly plainBytes: number
  readonly chartBytes: number
}

const { url, symbol, rounds } = JSON.parse(process.argv[2] ?? '{}') as IndicatorOptions
const last = 1000
const columns = 'columns { time open high low close volume }'
const value = '{ epoch value }'
const five = `sma(period: 20) ${value} ema(period: 20) ${value} rsi(period: 14) ${value}
  macd { epoch macd signal histogram } bollingerBands { epoch upper middle lower }`

interface Answer {
  readonly data: { candles: { columns: { close: number[] } } & Record<string, unknown[]> }
}

async function chart(fields: string, lists: readonly string[]): Promise<{ bytes: number; closes: number[] }> {
  const response = await fetch(url, {
    method: 'POST',
    // fetch asks for compressed answers by itself, and would decompress them in this process.
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity' },
    body: JSON.stringify({ query: `{ candles(symbol: "${symbol}", last: ${last}) { ${columns} ${fields} } }` }),
  })
  const text = await response.text()
  const { candles } = (JSON.parse(text) as Answer).data
  for (const list of lists) if (candles[list]?.length !== last) throw new Error(`${list} has not ${last} points`)
  return { bytes: text.length, closes: candles.columns.close }
}

function library(values: number[]): void {
  const lengths = [
    SMA.calculate({ period: 20, values }).length,
    EMA.calculate({ period: 20, values }).length,
    RSI.calculate({ period: 14, values }).length,
    MACD.calculate({
      values,
      fastPeriod: 12,
      slowPeriod: 26,
      signalPeriod: 9,
      SimpleMAOscillator: false,
      SimpleMASignal: false,
    }).length,
    BollingerBands.calculate({ period: 20, stdDev: 2, values }).length,
  ]
  if (lengths.some((length) => length < last - 40)) throw new Error('the library gave too little')
}

async function timed(into: number[], work: () => unknown): Promise<void> {
  const startedMs = performance.now()
  await work()
  into.push(performance.now() - startedMs)
}

const lists = ['sma', 'ema', 'rsi', 'macd', 'bollingerBands']
for (let i = 0; i < 50; i++) library((await chart(five, lists)).closes)
const { bytes: plainBytes } = await chart('', [])
const { bytes: chartBytes, closes } = await chart(five, lists)
const figures: IndicatorFigures = { plainMs: [], chartMs: [], libraryMs: [], plainBytes, chartBytes }
for (let i = 0; i < rounds; i++) {
  await timed(figures.plainMs, () => chart('', []))
  await timed(figures.chartMs, () => chart(five, lists))
  await timed(figures.libraryMs, () => library(closes))
}
process.stdout.write(JSON.stringify(figures))
