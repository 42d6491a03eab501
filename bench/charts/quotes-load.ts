// Load client: quotes at a fixed rate, alone or beside a client that asks for one large chart after another. suite.ts
// runs it; writes QuotesFigures.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface QuotesLoad {
  readonly url: string
  readonly symbol: string
  /** What the other client asks for; null: there is none. */
  readonly chart: { readonly query: string; readonly symbol: string; readonly rows: number } | null
  readonly ratePerSecond: number
  readonly samples: number
  readonly durationMs: number
}

export interface QuotesFigures {
  /** Of each quote: when it was due, in epoch milliseconds, and how long its answer took from then. */
  readonly quotes: readonly (readonly [dueMs: number, tookMs: number])[]
  readonly charts: number
  readonly chartBytes: number
}

const load = JSON.parse(process.argv[2] ?? '{}') as QuotesLoad
const agent = new Agent({ keepAlive: true })

/** Passes the pieces of the answer on as they come. */
function post(query: string, symbol: string, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ query, variables: { symbol } })
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'content-length': Buffer.byteLength(body),
    }
    const asked = request(load.url, { method: 'POST', agent, headers }, (response) => {
      response.on('data', take).on('end', resolve).on('error', reject)
    })
    asked.on('error', (error: NodeJS.ErrnoException) => {
      // The server closed an idle connection just as it was used again.
      if (asked.reusedSocket && error.code === 'ECONNRESET') resolve(post(query, symbol, take))
      else reject(error)
    })
    asked.end(body)
  })
}

const quoteQuery = 'query ($symbol: Symbol!) { quote(symbol: $symbol) { symbol price } }'
async function quote(): Promise<void> {
  let answer = ''
  await post(quoteQuery, load.symbol, (chunk) => (answer += chunk.toString('latin1')))
  if (!answer.startsWith(`{"data":{"quote":{"symbol":"${load.symbol}","price":`)) throw new Error(`wrong: ${answer}`)
}

let isOver = false
let charts = 0
let chartBytes = 0

/** Checks the first chart as a whole, and of the others the length: reading them must not delay the quotes. */
async function firstChart({ query, symbol, rows }: NonNullable<QuotesLoad['chart']>): Promise<void> {
  const chunks: Buffer[] = []
  await post(query, symbol, (chunk) => chunks.push(chunk))
  const text = Buffer.concat(chunks).toString()
  const { data, errors } = JSON.parse(text) as { data: { candles: Record<string, unknown[]> } | null; errors?: unknown }
  const { columns, ...lists } = data?.candles ?? {}
  const all = [...Object.values((columns ?? {}) as unknown as Record<string, unknown[]>), ...Object.values(lists)]
  if (errors || all.length < 20 || all.some((list) => list.length !== rows)) throw new Error(text.slice(0, 500))
  chartBytes = text.length
}

async function otherCharts({ query, symbol }: NonNullable<QuotesLoad['chart']>): Promise<void> {
  while (!isOver) {
    let bytes = 0
    await post(query, symbol, (chunk) => (bytes += chunk.length))
    if (Math.abs(bytes - chartBytes) > 0.01 * chartBytes) throw new Error(`a chart of ${bytes} bytes`)
    charts += 1
  }
}

for (let i = 0; i < 200; i++) await quote()
if (load.chart) await firstChart(load.chart)
const asking = load.chart ? otherCharts(load.chart) : null
const startedMs = performance.now()
const waiting: Promise<readonly [number, number]>[] = []
for (let tick = 0; tick < load.samples; tick++) {
  const dueMs = startedMs + (1000 * tick) / load.ratePerSecond
  await sleep(Math.max(0, dueMs - performance.now()))
  waiting.push(quote().then(() => [performance.timeOrigin + dueMs, performance.now() - dueMs]))
}
const quotes = await Promise.all(waiting)
isOver = true
await asking
process.stdout.write(JSON.stringify({ quotes, charts, chartBytes } satisfies QuotesFigures), () => process.exit(0))
