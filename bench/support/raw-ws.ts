// A ceiling without GraphQL: graphql-transport-ws by hand, each price serialised once, the same bytes for all. Subscribers must give the
// same id.
// usage: node bench/support/raw-ws.ts <ticks a second> send|batch
//   send   ws.send for each subscriber
//   batch  the messages of 10 ms leave in one write of ready frames, bypassing ws
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { frameHeaderBytes, writeFrameHeader } from '../../src/http/websocket/frames.ts'
import { type Tick, Ticker } from './ticker.ts'

const batchMs = 10
/** A subscriber that is this many bytes behind is skipped, so that slow clients take no memory of the server. */
const maxBehind = 4 * 1024 * 1024
const path = '/graphql'
const members = new Map<string, Set<WebSocket>>()
let id = ''

const message = (tick: Tick): Buffer =>
  Buffer.from(`{"id":"${id}","type":"next","payload":{"data":{"priceUpdates":${JSON.stringify(tick)}}}}`)

function send(tick: Tick): void {
  const text = message(tick)
  for (const socket of members.get(tick.symbol) ?? []) socket.send(text, { binary: false })
}

const waiting = new Map<string, Buffer[]>()

function gather(tick: Tick): void {
  if (waiting.size === 0) setTimeout(flush, batchMs)
  const text = message(tick)
  const frame = Buffer.alloc(frameHeaderBytes(text.length) + text.length)
  text.copy(frame, writeFrameHeader(frame, 0, text.length))
  const frames = waiting.get(tick.symbol)
  if (frames) frames.push(frame)
  else waiting.set(tick.symbol, [frame])
}

function flush(): void {
  for (const [symbol, frames] of waiting) {
    const bytes = Buffer.concat(frames)
    for (const member of members.get(symbol) ?? []) {
      const { _socket: socket } = member as unknown as { _socket: Socket }
      if (socket.writableLength < maxBehind) socket.write(bytes)
    }
  }
  waiting.clear()
}

const ticker = new Ticker(Number(process.argv[2]), process.argv[3] === 'batch' ? gather : send)
const server = createServer()
const sockets = new WebSocketServer({ server, path, perMessageDeflate: false })
sockets.on('connection', (socket: WebSocket) => {
  let symbol = ''
  socket.on('error', () => {})
  socket.on('close', () => members.get(symbol)?.delete(socket))
  socket.on('message', (data) => {
    const told = JSON.parse(String(data)) as { type: string; id: string; payload: { query: string } }
    if (told.type === 'connection_init') socket.send('{"type":"connection_ack"}')
    if (told.type !== 'subscribe') return
    id = told.id
    symbol = /"(.+?)"/.exec(told.payload.query)?.[1] ?? ''
    members.set(symbol, (members.get(symbol) ?? new Set()).add(socket))
    ticker.watch(symbol)
  })
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}\n`)
})
