import { setTimeout as sleep } from 'node:timers/promises'
import type { Known } from './generated.ts'
import type { MeasuredApp } from './measured-app.ts'

const real = ['AAPL', 'MSFT', 'NVDA', 'GOOGL', 'AMZN', 'META', 'TSLA', '^GSPC', 'BTC-USD']
const jobCount = 120
const patienceMs = 120_000

/**
 * Has a market to ask for: symbols whose analyses, signals and jobs fill pages. Resolves when the jobs have ended.
 */
export async function prepare(app: MeasuredApp): Promise<Known> {
  const ask = async <T>(query: string, variables: object = {}): Promise<T> =>
    (JSON.parse((await app.ask([JSON.stringify({ query, variables })])).whole) as { data: T }).data
  const listed = await ask<{ marketInstruments: { edges: { node: { symbol: string } }[] } }>(
    '{ marketInstruments(first: 100) { edges { node { symbol } } } }',
  )
  const all = listed.marketInstruments.edges.map(({ node }) => node.symbol)
  const symbols = [...new Set([...real.filter((symbol) => all.includes(symbol)), ...all])].slice(0, 60)
  const jobs: string[] = []
  for (let i = 0; i < jobCount; i++) {
    const { enqueueAnalysis } = await ask<{ enqueueAnalysis: { job?: { id: string } } }>(
      'mutation ($s: [Symbol!]!) { enqueueAnalysis(input: { symbols: $s }) { ... on EnqueuePayload { job { id } } } }',
      { s: symbols.slice(0, 20) },
    )
    if (enqueueAnalysis.job) jobs.push(enqueueAnalysis.job.id)
  }
  const signals = symbols.slice(0, 20)
  const { enqueueDailyReport, enqueueBacktest } = await ask<Record<string, { job?: { id: string } }>>(
    `mutation ($s: [Symbol!]!) {
      enqueueDailyReport(input: { symbols: $s }) { ... on EnqueuePayload { job { id } } }
      enqueueBacktest(input: { symbols: $s, signals: [GOLDEN_CROSS, RSI_OVERSOLD, MACD_BULLISH_CROSS, MACD_BEARISH_CROSS], from: "2024-12-01T00:00:00Z" })
        { ... on EnqueuePayload { job { id } } } }`,
    { s: signals },
  )
  for (const { job } of [enqueueDailyReport, enqueueBacktest].filter((each) => each !== undefined)) {
    if (job) jobs.push(job.id)
  }
  const endMs = Date.now() + patienceMs
  for (;;) {
    const { jobs: open } = await ask<{ jobs: { edges: unknown[] } }>(
      '{ jobs(first: 1, states: [QUEUED, RUNNING, RETRYING]) { edges { cursor } } }',
    )
    if (open.edges.length === 0) break
    if (Date.now() > endMs) throw new Error('the jobs have not ended')
    await sleep(300)
  }
  const stored = await ask<Record<'signals' | 'analyses', { edges: { node: { id: string } }[] }>>(
    `{ signals(first: 50) { edges { node { id } } } analyses(symbol: "${symbols[0]}", first: 50) { edges { node { id } } } }`,
  )
  const ids = [...stored.signals.edges, ...stored.analyses.edges].map(({ node }) => node.id)
  for (const symbol of symbols) for (const type of ['Quote', 'Instrument']) ids.push(btoa(`${type}:${symbol}`))
  return { symbols, ids, jobs: jobs.slice(-20) }
}
