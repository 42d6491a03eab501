// Load client: charts asked for one after another, each from every server in turn. suite.ts runs it; writes
// StartsFigures.
import { ask } from '../support/graphql-client.ts'
import { chartLength } from './market.ts'

export interface StartsLoad {
  readonly servers: readonly { readonly name: string; readonly url: string }[]
  /** Address of the server that plays Yahoo. */
  readonly sourceUrl: string
  readonly symbols: readonly string[]
  readonly durationMs: number
}

export interface StartsFigures {
  /** By server, in the order of the symbols. */
  readonly tookMs: Readonly<Record<string, readonly number[]>>
  /** The same fetch from the source, parsed. */
  readonly sourceMs: readonly number[]
}

const { servers, sourceUrl, symbols } = JSON.parse(process.argv[2] ?? '{}') as StartsLoad
const columns = ['time', 'open', 'high', 'low', 'close', 'volume']
const query = `query ($symbol: Symbol!) { candles(symbol: $symbol, last: ${chartLength}) { stale columns { ${columns.join(' ')} } } }`

async function chart(url: string, symbol: string): Promise<void> {
  const { candles } = await ask<{ candles: { stale: boolean; columns: Record<string, number[]> } }>(url, query, {
    symbol,
  })
  const isWhole = columns.every((name) => candles.columns[name]?.length === chartLength)
  if (candles.stale || !isWhole) throw new Error(`a wrong answer for ${symbol}`)
}

/** The span of days that a server asks for. */
const days = 1536
async function bareFetch(symbol: string): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const window = `period1=${now - days * 86_400}&period2=${now + 86_400}&interval=1d&events=div%7Csplit`
  const answer = await (await fetch(`${sourceUrl}/v8/finance/chart/${symbol}?${window}`)).json()
  if (answer.chart.result[0].timestamp.length < chartLength) throw new Error('too few rows')
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

const tookMs: Record<string, number[]> = Object.fromEntries(servers.map(({ name }) => [name, []]))
const sourceMs: number[] = []
for (const [at, symbol] of symbols.entries()) {
  // First, so that no server pays for the first fetch of this process.
  sourceMs.push(await timed(() => bareFetch(symbol)))
  for (const { name, url } of at % 2 === 0 ? servers : servers.toReversed()) {
    tookMs[name]?.push(await timed(() => chart(url, symbol)))
  }
}
process.stdout.write(JSON.stringify({ tookMs, sourceMs } satisfies StartsFigures))
