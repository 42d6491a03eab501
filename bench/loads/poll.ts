// Load client: one subscriber and one poller that want the same prices of the same server. suites/polling.ts runs it.
// Writes PollingFigures.
import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { mean } from '../support/table.ts'

export interface PollingLoad {
  readonly url: string
  readonly symbol: string
  /** Time from one request of the poller to the next, unless an answer takes longer. */
  readonly periodMs: number
  readonly durationMs: number
}

/** What one of the two clients sent and received. */
export interface ClientFigures {
  readonly httpRequests: number
  /** WebSocket messages that it sent. */
  readonly messagesSent: number
  /** On the socket, headers and frames included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Updates that it saw before the next replaced them. */
  readonly updatesSeen: number
  /** Mean time from the publishing of an update until the client had that price or a newer one. */
  readonly meanDelayMs: number
  readonly maxDelayMs: number
}

export interface PollingFigures {
  readonly updates: number
  readonly subscriber: ClientFigures
  readonly poller: ClientFigures
}

interface Update {
  readonly publishedMs: number
  readonly receivedMs: number
  readonly seq: number
}
interface Answer {
  /** The time of the price, by the server. */
  readonly timeMs: number
  readonly receivedMs: number
}

const load = JSON.parse(process.argv[2] ?? '{}') as PollingLoad
const symbols = JSON.stringify(load.symbol)
const question = `{ quote(symbol: ${symbols}) { symbol price time } }`
const subscription = `subscription { priceUpdates(symbols: [${symbols}]) { symbol price seq publishedAt } }`

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Starts the subscription. `end` stops it and resolves to what it cost. */
function subscribe(updates: Update[]): { begun: Promise<void>; end: () => Promise<Omit<ClientFigures, Seen>> } {
  const socket = new WebSocket(load.url.replace('http', 'ws'), 'graphql-transport-ws', { perMessageDeflate: false })
  const begun = Promise.withResolvers<void>()
  let connection: Socket | undefined
  let messagesSent = 0
  const send = (message: object): void => {
    messagesSent += 1
    socket.send(JSON.stringify(message))
  }
  socket.on('upgrade', (response) => (connection = response.socket))
  socket.on('open', () => send({ type: 'connection_init' }))
  socket.on('error', (error) => fail(error.message))
  socket.on('message', (data) => {
    const receivedMs = Date.now()
    const message = JSON.parse(String(data))
    if (message.type === 'connection_ack') send({ id: '1', type: 'subscribe', payload: { query: subscription } })
    else if (message.type === 'ping') send({ type: 'pong' })
    else if (message.type === 'next' && message.payload.data?.priceUpdates?.symbol === load.symbol) {
      const { publishedAt, seq } = message.payload.data.priceUpdates
      updates.push({ publishedMs: publishedAt, receivedMs, seq })
      begun.resolve()
    } else fail(`a wrong message: ${data}`)
  })
  async function end(): Promise<Omit<ClientFigures, Seen>> {
    send({ id: '1', type: 'complete' })
    await sleep(50)
    const { bytesWritten = 0, bytesRead = 0 } = connection ?? {}
    return { httpRequests: 1, messagesSent, bytesSent: bytesWritten, bytesReceived: bytesRead }
  }
  return { begun: begun.promise, end }
}

type Seen = 'updatesSeen' | 'meanDelayMs' | 'maxDelayMs'

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const sockets = new Set<Socket>()

function ask(): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const body = JSON.stringify({ query: question })
  const headers = { 'content-type': 'application/json', accept: 'application/json', 'content-length': body.length }
  const asked = request(load.url, { method: 'POST', agent, headers }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk) => (text += chunk))
    response.on('end', () => {
      const receivedMs = Date.now()
      const quote = response.statusCode === 200 ? JSON.parse(text).data?.quote : null
      if (quote?.symbol !== load.symbol || !(quote.price > 0)) fail(`a wrong answer: ${response.statusCode} ${text}`)
      resolve({ timeMs: Date.parse(quote.time), receivedMs })
    })
  })
  asked.on('socket', (socket) => sockets.add(socket))
  asked.on('error', (error) => fail(error.message))
  asked.end(body)
  return promise
}

async function poll(answers: Answer[]): Promise<Omit<ClientFigures, Seen>> {
  const startMs = performance.now()
  const endMs = startMs + load.durationMs
  let httpRequests = 0
  for (let dueMs = startMs + load.periodMs; dueMs <= endMs; dueMs += load.periodMs) {
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    if (performance.now() > endMs + load.periodMs) break
    httpRequests += 1
    answers.push(await ask())
  }
  await sleep(Math.max(0, endMs - performance.now()))
  const sum = (of: (socket: Socket) => number): number => [...sockets].reduce((total, each) => total + of(each), 0)
  return {
    httpRequests,
    messagesSent: 0,
    bytesSent: sum((socket) => socket.bytesWritten),
    bytesReceived: sum((socket) => socket.bytesRead),
  }
}

/** What the poller saw: for each update the first answer that is as new. Leaves out updates after the last answer. */
function seenByPolling(updates: readonly Update[], answers: readonly Answer[]): Pick<ClientFigures, Seen> {
  const delays: number[] = []
  let updatesSeen = 0
  for (const [index, { publishedMs }] of updates.entries()) {
    const answer = answers.find(({ timeMs }) => timeMs >= publishedMs)
    if (!answer) continue
    delays.push(answer.receivedMs - publishedMs)
    const nextMs = updates[index + 1]?.publishedMs ?? Number.POSITIVE_INFINITY
    if (answer.timeMs < nextMs) updatesSeen += 1
  }
  return { updatesSeen, meanDelayMs: mean(delays), maxDelayMs: Math.max(...delays) }
}

const updates: Update[] = []
const answers: Answer[] = []
const subscriber = subscribe(updates)
await subscriber.begun
const polled = await poll(answers)
const subscribed = await subscriber.end()
// The first update is the current state, so it has no delay.
const published = updates.slice(1)
for (const [index, { seq }] of published.entries()) {
  if (seq !== (updates[index]?.seq ?? 0) + 1) fail(`the subscription missed what came before ${seq}`)
}
const delays = published.map(({ publishedMs, receivedMs }) => receivedMs - publishedMs)
const figures: PollingFigures = {
  updates: published.length,
  subscriber: {
    ...subscribed,
    updatesSeen: published.length,
    meanDelayMs: mean(delays),
    maxDelayMs: Math.max(...delays),
  },
  poller: { ...polled, ...seenByPolling(published, answers) },
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
