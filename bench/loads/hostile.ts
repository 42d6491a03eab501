// Load client: a good client's quotes at a fixed rate, alone and beside an attacker. suites/hostile.ts runs it; writes
// HostileFigures.
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { type Attack, attacks, type HostileRequest } from './attacks.ts'

export interface HostileLoad {
  readonly url: string
  readonly attack: string
  readonly calmMs: number
  readonly attackMs: number
  /** Time for the whole run, including all waiting. */
  readonly durationMs: number
}

export interface Quotes {
  /** Of each quote: when it was due, in epoch milliseconds, and how long its answer took from then. */
  readonly quotes: readonly (readonly [dueMs: number, tookMs: number])[]
  readonly failed: number
}

export interface HostileFigures {
  readonly calm: Quotes
  readonly beside: Quotes
  /** Requests of the attacker. */
  readonly asked: number
  readonly answered: number
  readonly refused: number
  /** Slow connections that are still open. */
  readonly stillOpen: number
}

const everyMs = 20
/** The server believes in these addresses. */
const [good, hostile] = ['192.0.2.1', '192.0.2.2']
const warmUpMs = 1500

const load = JSON.parse(process.argv[2] ?? '{}') as HostileLoad
const attack = attacks[load.attack] as Attack
const agent = new Agent({ keepAlive: true })

/** Resolves to the whole answer; null: there was none. */
function post(
  client: string,
  { body, contentType = 'application/json' }: HostileRequest,
  signal: AbortSignal,
): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': contentType,
      accept: 'application/json',
      'x-forwarded-for': client,
      'content-length': Buffer.byteLength(body),
    }
    const asking = request(load.url, { method: 'POST', agent, headers, signal }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        if (text.length < 1000) text += chunk.toString('latin1', 0, 1000)
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
async function quotesFor(durationMs: number): Promise<Quotes> {
  const quote = { body: JSON.stringify({ query: '{ quote(symbol: "AAPL") { symbol price } }' }) }
  const quotes: [number, number][] = []
  let failed = 0
  const end = new AbortController()
  const startedMs = performance.now()
  const open: Promise<void>[] = []
  for (let dueMs = startedMs; dueMs < startedMs + durationMs; dueMs += everyMs) {
    await sleep(Math.max(0, dueMs - performance.now()))
    const asked = post(good, quote, end.signal).then((text) => {
      quotes.push([performance.timeOrigin + dueMs, performance.now() - dueMs])
      if (!text?.startsWith('{"data":{"quote":{')) failed += 1
    })
    open.push(asked)
  }
  // A last chance for answers that are on their way.
  await Promise.race([Promise.all(open), sleep(500)])
  end.abort()
  await Promise.all(open)
  return { quotes, failed }
}

type Got = { -readonly [Name in 'asked' | 'answered' | 'refused']: HostileFigures[Name] }

async function attackUntil(end: AbortSignal): Promise<Got> {
  const got: Got = { asked: 0, answered: 0, refused: 0 }
  if (attack.ahead) sendAhead(attack.ahead, got, end)
  else if (attack.webSocketQueries) queryOverWebSocket(attack.webSocketQueries, got, end)
  else {
    await Promise.all(Array.from({ length: attack.connections ?? 1 }, () => askInTurn(got, end)))
    return got
  }
  await new Promise((resolve) => end.addEventListener('abort', resolve))
  return got
}

async function askInTurn(got: Got, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    got.asked += 1
    const text = await post(hostile, attack.request(got.asked), end)
    if (text !== null) got.answered += 1
    if (text?.includes('"errors":[') || text === '') got.refused += 1
    await sleep(text === null ? 20 : (attack.pauseMs ?? 0), undefined, { signal: end }).catch(() => {})
  }
}

/** Sends all requests on one connection, and again when it has ended. */
function sendAhead(count: number, got: Got, end: AbortSignal): void {
  if (end.aborted) return
  const { hostname, port, host } = new URL(load.url)
  const socket = connect(Number(port), hostname)
  const status = Buffer.from('HTTP/1.1 200 ')
  let tail: Uint8Array = Buffer.alloc(0)
  socket.on('data', (part) => {
    const bytes = Buffer.concat([tail, part])
    for (let at = bytes.indexOf(status); at >= 0; at = bytes.indexOf(status, at + 1)) got.answered += 1
    tail = bytes.subarray(1 - status.length)
  })
  socket.on('error', () => {})
  socket.on('close', () => setTimeout(() => sendAhead(count, got, end), 20))
  for (let i = 0; i < count; i++) {
    const { body } = attack.request(got.asked++)
    const head = `POST /graphql HTTP/1.1\r\nhost: ${host}\r\nx-forwarded-for: ${hostile}\r\ncontent-type: application/json\r\n`
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`)
  }
  end.addEventListener('abort', () => socket.destroy())
}

/** Keeps so many queries open on one WebSocket. */
function queryOverWebSocket(count: number, got: Got, end: AbortSignal): void {
  if (end.aborted) return
  const headers = { 'x-forwarded-for': hostile }
  const socket = new WebSocket(load.url.replace('http', 'ws'), 'graphql-transport-ws', { headers })
  const ask = (): void => {
    const payload: unknown = JSON.parse(attack.request(got.asked).body)
    socket.send(JSON.stringify({ id: String(got.asked++), type: 'subscribe', payload }))
  }
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  socket.on('message', (data: Buffer) => {
    if (data.length > 1000) return
    const { type } = JSON.parse(String(data)) as { type: string }
    if (type === 'connection_ack') for (let i = 0; i < count; i++) ask()
    if (type === 'complete') got.answered += 1
    if (type === 'error') got.refused += 1
    if (type === 'complete' || type === 'error') ask()
  })
  socket.on('error', () => {})
  socket.on('close', () => setTimeout(() => queryOverWebSocket(count, got, end), 20))
  end.addEventListener('abort', () => socket.terminate())
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
      `POST /graphql HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\nx-forwarded-for: ${hostile}\r\ncontent-length: ${body.length}\r\n\r\n`,
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
for (const prepared of attack.prepare ?? []) await post(hostile, prepared, never)
await sleep(attack.settleMs ?? 0)
const calm = await quotesFor(load.calmMs)
const untilMinuteMs = 60_000 - (Date.now() % 60_000)
if (attack.beforeMinuteMs !== undefined) {
  await sleep((untilMinuteMs - attack.beforeMinuteMs + 60_000) % 60_000)
}
const end = new AbortController()
const slow = slowConnections(end.signal)
const attacking = attack.slowConnections ? { asked: slow.size, answered: 0, refused: 0 } : attackUntil(end.signal)
const beside = await quotesFor(load.attackMs)
const stillOpen = slow.size
end.abort()
const got = await attacking
const figures: HostileFigures = { calm, beside, ...got, stillOpen }
process.stdout.write(JSON.stringify(figures))
process.exit(0)
