// suites/responsive.ts runs this in a process of its own: options in as JSON, figures out as JSON.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../support/graphql-client.ts'

export interface ResponsiveOptions {
  readonly url: string
  /** Symbols of the jobs that run one after another during the measurement. None: the server is idle. */
  readonly jobs: readonly (readonly string[])[]
  /** Whether to start over when the last job has ended. */
  readonly repeated: boolean
  readonly ratePerSecond: number
  readonly samples: number
  readonly durationMs: number
}

export interface ResponsiveFigures {
  readonly latenciesMs: number[]
  /** How long the finished jobs took. */
  readonly jobsMs: number[]
}

const { url, jobs, repeated, ratePerSecond, samples } = JSON.parse(process.argv[2] ?? '{}') as ResponsiveOptions
const agent = new Agent({ keepAlive: true })
const body = JSON.stringify({ query: '{ quote(symbol: "AAPL") { symbol price } }' })
const expected = /^\{"data":\{"quote":\{"symbol":"AAPL","price":\d+(\.\d+)?\}\}\}$/

function quote(askedMs = performance.now()): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const headers = { 'content-type': 'application/json', accept: 'application/json', 'content-length': body.length }
  const asked = request(url, { method: 'POST', agent, headers }, (response) => {
    let answer = ''
    response.setEncoding('utf8').on('data', (chunk) => (answer += chunk))
    response.on('end', () => {
      if (expected.test(answer)) resolve(performance.now() - askedMs)
      else reject(new Error(`a wrong answer: ${answer}`))
    })
  })
  asked.on('error', (error: NodeJS.ErrnoException) => {
    // The server closed an idle connection just as it was used again.
    if (asked.reusedSocket && error.code === 'ECONNRESET') resolve(quote(askedMs))
    else reject(error)
  })
  asked.end(body)
  return promise
}

let running = false
let isOver = false
let haveEnded = false
const jobsMs: number[] = []
const waiting = [...jobs]

async function runJobs(): Promise<void> {
  for (let symbols = waiting.shift(); symbols && !isOver; symbols = waiting.shift()) {
    const startedMs = performance.now()
    const { enqueueAnalysis } = await ask<{ enqueueAnalysis: { job: { id: string } } }>(
      url,
      'mutation ($symbols: [Symbol!]!) { enqueueAnalysis(input: { symbols: $symbols }) { ... on EnqueuePayload { job { id } } } }',
      { symbols },
    )
    running = true
    for (let state = 'QUEUED'; state !== 'SUCCEEDED' && !isOver; ) {
      await sleep(100)
      const { job } = await ask<{ job: { state: string } }>(url, 'query ($id: ID!) { job(id: $id) { state } }', {
        id: enqueueAnalysis.job.id,
      })
      state = job.state
      if (!['QUEUED', 'RUNNING', 'SUCCEEDED'].includes(state)) throw new Error(`the job is ${state}`)
    }
    running = false
    if (repeated) waiting.push(symbols)
    if (!isOver) jobsMs.push(performance.now() - startedMs)
  }
}

for (let i = 0; i < 500; i++) await quote()
const asked: Promise<number>[] = []
const working = runJobs().finally(() => {
  haveEnded = true
})
const startedMs = performance.now()
// By the clock: a slow answer does not delay the next request.
for (let tick = 0; asked.length < samples; tick++) {
  await sleep(Math.max(0, startedMs + (1000 * tick) / ratePerSecond - performance.now()))
  if (jobs.length === 0 || running) asked.push(quote())
  else if (haveEnded) break
}
const latenciesMs = await Promise.all(asked)
isOver = true
await working
const figures: ResponsiveFigures = { latenciesMs, jobsMs }
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
