/**
 * Follows live prices through lost connections and restarts of the server. It reports every gap and prints nothing
 * twice:
 *
 *   npm run example:live -- ws://127.0.0.1:4000/graphql AAPL BTC-USD
 *
 * docs/protocol.md describes the rules that it implements.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'graphql-ws'

interface Data {
  readonly priceUpdates: { kind: string; symbol: string; price: number; seq: number; cursor: string }
}

const [url = 'ws://127.0.0.1:4000/graphql', ...symbols] = process.argv.slice(2)
const query = `subscription ($symbols: [Symbol!]!, $after: [String!]) {
  priceUpdates(symbols: $symbols, after: $after) { kind symbol price seq cursor }
}`
const last = new Map<string, Data['priceUpdates']>()
// The client reads this each time it subscribes, also after it reconnected by itself.
const variables = {
  symbols: symbols.length > 0 ? symbols : ['AAPL', 'BTC-USD'],
  get after() {
    return Array.from(last.values(), ({ cursor }) => cursor)
  },
}
// Longer each time, and random, so that not all clients come back at once.
const backOff = (attempt: number): Promise<void> => sleep(Math.random() * Math.min(30_000, 500 * 2 ** attempt))

let silence: NodeJS.Timeout | undefined
const client = createClient({
  url,
  retryAttempts: Number.POSITIVE_INFINITY,
  retryWait: backOff,
  // Retry also if nobody listens: the server may be restarting. graphql-ws never retries close codes that blame the
  // client.
  shouldRetry: () => true,
  // A connection can be lost silently; then no pong comes.
  keepAlive: 5000,
  on: {
    ping: () => {
      silence = setTimeout(() => client.terminate(), 5000)
    },
    pong: () => clearTimeout(silence),
    closed: () => clearTimeout(silence),
  },
})

for (let attempt = 0; ; attempt++) {
  for await (const { data, errors } of client.iterate<Data>({ query, variables })) {
    const code = String(errors?.[0]?.extensions?.code ?? '')
    if (['BAD_USER_INPUT', 'SYMBOL_NOT_FOUND', 'NO_DATA'].includes(code)) throw new Error(errors?.[0]?.message)
    if (!data) continue
    attempt = 0
    const { kind, symbol, price, seq } = data.priceUpdates
    const missed = kind === 'SNAPSHOT' ? 0 : seq - (last.get(symbol)?.seq ?? 0) - 1
    if (missed > 0) console.log(`${symbol} GAP ${missed}`)
    console.log(`${symbol} ${kind} ${seq} ${price}`)
    last.set(symbol, data.priceUpdates)
  }
  // The server ended the subscription, or can't start it yet.
  await backOff(attempt)
}
