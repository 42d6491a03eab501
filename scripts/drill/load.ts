import { post, type Stream, subscribe } from '../../test/support/clients/client.ts'
import { symbols } from './stage.ts'

export interface Load {
  /** Operations that were answered, and those that failed or were not. */
  readonly counts: { answered: number; failed: number }
  stop(): Promise<void>
}

export interface LoadOptions {
  readonly quotesPerSecond: number
  /** WebSockets that follow all symbols. */
  readonly followers: number
  readonly jobsPerMinute: number
}

const analyse = `mutation ($input: EnqueueAnalysisInput!) {
  enqueueAnalysis(input: $input) { ... on EnqueuePayload { job { id } } }
}`

/** Clients of a usual day: quotes, charts, jobs, live prices. */
export async function startLoad(api: string, options: LoadOptions): Promise<Load> {
  const counts = { answered: 0, failed: 0 }
  const ask = (query: string, variables?: Record<string, unknown>): void => {
    post(api, query, variables).then(
      ({ errors }) => void counts[errors ? 'failed' : 'answered']++,
      () => void counts.failed++,
    )
  }
  let turn = 0
  const some = (): string => symbols[turn++ % symbols.length] ?? ''
  const every = (ms: number, work: () => void): NodeJS.Timeout => setInterval(work, ms)
  const timers = [
    every(1000 / options.quotesPerSecond, () =>
      ask('query ($s: Symbol!) { quote(symbol: $s) { price stale } }', { s: some() }),
    ),
    every(500, () => ask('{ jobs(first: 5) { edges { node { id state } } } }')),
    every(2000, () => ask('query ($s: Symbol!) { candles(symbol: $s, last: 50) { nodes { close } } }', { s: some() })),
    every(60_000 / options.jobsPerMinute, () => ask(analyse, { input: { symbols: [some()] } })),
  ]
  const streams: Stream<unknown>[] = []
  let isStopped = false
  const follow = async (stream: Stream<unknown>): Promise<void> => {
    while (!isStopped) await stream.next()
  }
  for (let i = 0; i < options.followers; i++) {
    const stream = subscribe(
      api,
      'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { symbol price stale } }',
      {
        s: symbols,
      },
    )
    streams.push(stream)
    follow(stream).catch(() => {})
  }
  return {
    counts,
    async stop() {
      isStopped = true
      for (const timer of timers) clearInterval(timer)
      await Promise.all(streams.map((stream) => stream.close().catch(() => {})))
    },
  }
}
