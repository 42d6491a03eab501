// Load client: each connection asks again when it has its answer. suites/http.ts runs it; writes HttpFigures.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CpuShares, watchCpu } from '../support/machine.ts'
import { percentile } from '../support/table.ts'

export interface HttpLoad {
  readonly url: string
  readonly serverPid: number
  readonly query: string
  /** A regular expression that the whole body of every answer must match. */
  readonly expected: string
  readonly connections: number
  readonly warmUpMs: number
  readonly durationMs: number
}

export interface HttpFigures {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpu: CpuShares
}

const load = JSON.parse(process.argv[2] ?? '{}') as HttpLoad
const { hostname, port, pathname, host } = new URL(load.url)
const body = JSON.stringify({ query: load.query })
const request = Buffer.from(
  `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\naccept: application/json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
)
const expected = new RegExp(load.expected)

let measuring = false
let latencies: number[] = []

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function open(): void {
  const socket = connect(Number(port), hostname)
  let received = ''
  let askedMs = 0
  const ask = (): void => {
    askedMs = performance.now()
    socket.write(request)
  }
  socket.setNoDelay(true).setEncoding('latin1')
  socket.on('connect', ask)
  socket.on('error', (error) => fail(`the connection broke: ${error.message}`))
  socket.on('close', () => fail('the server closed the connection'))
  socket.on('data', (chunk) => {
    received += chunk
    if (!isComplete(received)) return
    received = ''
    if (measuring) latencies.push(performance.now() - askedMs)
    ask()
  })
}

/** Ends the process if the answer is not the expected one. */
function isComplete(response: string): boolean {
  const headEnd = response.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const head = response.slice(0, headEnd)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) fail(`an answer without content-length:\n${response}`)
  const content = response.slice(headEnd + 4)
  if (content.length < Number(length)) return false
  if (!head.startsWith('HTTP/1.1 200 ') || content.length > Number(length) || !expected.test(content)) {
    fail(`a wrong answer:\n${response}`)
  }
  return true
}

for (let count = 0; count < load.connections; count++) open()
await sleep(load.warmUpMs)
const cpuUsed = watchCpu(load.serverPid)
const startedMs = performance.now()
latencies = []
measuring = true
await sleep(load.durationMs)
const seconds = (performance.now() - startedMs) / 1000
const cpu = cpuUsed()
measuring = false
const figures: HttpFigures = {
  requestsPerSecond: latencies.length / seconds,
  p50Ms: percentile(latencies, 0.5),
  p99Ms: percentile(latencies, 0.99),
  cpu,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
