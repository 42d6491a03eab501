// Load client: a good client's quotes at a fixed rate, alone and beside an attacker. suites/hostile.ts runs it; writes
// HostileFigures.
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { watchCpu } from '../support/machine.ts'
import { percentile } from '../support/table.ts'
import { type Attack, attacks, type HostileRequest } from './attacks.ts'

export interface HostileLoad {
  readonly url: string
  readonly serverPid: number
  readonly attack: string
  readonly calmMs: number
  readonly attackMs: number
  /** Time for the whole run, including all waiting. */
  readonly durationMs: number
}

export interface Latencies {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

export interface HostileFigures {
  readonly calm: Latencies
  readonly beside: Latencies
  /** Requests of the attacker. */
  readonly asked: number
  readonly answered: number
  readonly refused: number
  /** Slow connections that are still open. */
  readonly stillOpen: number
  /** Share of a core, during the attack. */
  readonly serverCpu: number
}

const everyMs = 20
const warmUpMs = 1500

const load = JSON.parse(process.argv[2] ?? '{}') as HostileLoad
const attack = attacks[load.attack] as Attack
const agent = new Agent({ keepAlive: true })

/** Resolves to the whole answer; null: there was none. */
function post({ body, contentType = 'application/json' }: HostileRequest, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': contentType,
      accept: 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const asking = request(load.url, { method: 'POST', agent, headers, signal }, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => {
        if (text.length < 1000) text += chunk
      })
      response.on('end', () => resolve(text))
      response.on('error', () => resolve(null))
    })
    asking.on('error', () => resolve(null))
    asking.end(body)
  })
}

/**
 * Asks for quotes at fixed times, whether or not the last one was answered. Returns how long each took; for a quote
 * without an answer, how long it has waited by the end.
 */
async function quotesFor(durationMs: number): Promise<Latencies> {
  const quote = { body: JSON.stringify({ query: '{ quote(symbol: "AAPL") { symbol price } }' }) }
  const delaysMs: number[] = []
  let failed = 0
  const end = new AbortController()
  const startedMs = performance.now()
  const open: Promise<void>[] = []
  for (let dueMs = startedMs; dueMs < startedMs + durationMs; dueMs += everyMs) {
    await sleep(Math.max(0, dueMs - performance.now()))
    const asked = post(quote, end.signal).then((text) => {
      delaysMs.push(performance.now() - dueMs)
      if (!text?.startsWith('{"data":{"quote":{')) failed += 1
    })
    open.push(asked)
  }
  // A last chance for answers that are on their way.
  await Promise.race([Promise.all(open), sleep(500)])
  end.abort()
  await Promise.all(open)
  return { p50Ms: percentile(delaysMs, 0.5), p99Ms: percentile(delaysMs, 0.99), failed }
}

async function attackUntil(end: AbortSignal): Promise<Pick<HostileFigures, 'asked' | 'answered' | 'refused'>> {
  const got = { asked: 0, answered: 0, refused: 0 }
  while (!end.aborted) {
    got.asked += 1
    const text = await post(attack.request(got.asked), end)
    if (text !== null) got.answered += 1
    if (text?.includes('"errors":[') || text === '') got.refused += 1
    await sleep(text === null ? 20 : (attack.pauseMs ?? 0), undefined, { signal: end }).catch(() => {})
  }
  return got
}

/** Connections that send a part of their request, and then a byte a second. */
function slowConnections(end: AbortSignal): Set<Socket> {
  const { hostname, port, host } = new URL(load.url)
  const open = new Set<Socket>()
  const { body } = attack.request(0)
  for (let i = 0; i < (attack.slowConnections ?? 0); i++) {
    const socket = connect(Number(port), hostname)
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.resume()
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    )
  }
  let sent = 0
  const timer = setInterval(() => {
    for (const socket of open) socket.write(body[sent] ?? ' ')
    sent += 1
  }, 1000)
  end.addEventListener('abort', () => clearInterval(timer))
  return open
}

const never = new AbortController().signal
await quotesFor(warmUpMs)
for (const prepared of attack.prepare ?? []) await post(prepared, never)
await sleep(attack.settleMs ?? 0)
const calm = await quotesFor(load.calmMs)
const untilMinuteMs = 60_000 - (Date.now() % 60_000)
if (attack.beforeMinuteMs !== undefined) {
  await sleep((untilMinuteMs - attack.beforeMinuteMs + 60_000) % 60_000)
}
const end = new AbortController()
const cpuUsed = watchCpu(load.serverPid)
const slow = slowConnections(end.signal)
const attacking = attack.slowConnections ? { asked: slow.size, answered: 0, refused: 0 } : attackUntil(end.signal)
const beside = await quotesFor(load.attackMs)
const stillOpen = slow.size
end.abort()
const got = await attacking
const figures: HostileFigures = { calm, beside, ...got, stillOpen, serverCpu: cpuUsed().server }
process.stdout.write(JSON.stringify(figures))
process.exit(0)
