import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { inTime } from '../support/clients/client.ts'
import { askHttp } from '../support/clients/http-answer.ts'
import { type ServerProcess, startProcess } from '../support/process.ts'

/** By far too little for the answers that are asked for below, if they were made at the same time: each takes 25 MB. */
const heapMebibytes = 600
const quotesBeside = 60

const averages = Array.from({ length: 20 }, (_, i) => `s${i}: sma(period: ${i + 2}) { time value }`).join(' ')
const chart = `{ candles(symbol: "AAPL", interval: MINUTE_1, last: 20000) { nodes { time open high low close volume } ${averages} } }`
const body = JSON.stringify({ query: chart })

const json = { 'content-type': 'application/json' }

const ask = (server: ServerProcess, query: string, client: string) =>
  askHttp(`${server.api}/graphql`, {
    method: 'POST',
    headers: { ...json, 'x-forwarded-for': client },
    body: JSON.stringify({ query }),
  })

/** Another client gets its quotes, and then a chart, while the attack goes on. */
async function holdsUnder(attack: (server: ServerProcess) => Socket[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'finstage-'))
  const server = await startProcess([], {
    DATA_DIR: directory,
    MARKET_SOURCE: 'simulated',
    TRUST_PROXY: '127.0.0.1',
    NODE_OPTIONS: `--max-old-space-size=${heapMebibytes}`,
  })
  const ended = server.exited.then((code) => assert.fail(`the server ended with ${code}`))
  ended.catch(() => {})
  const good = async (): Promise<void> => {
    await ask(server, chart, '192.0.2.1')
    const sockets = attack(server)
    for (let i = 0; i < quotesBeside; i++) {
      const { text } = await inTime(ask(server, '{ quote(symbol: "AAPL") { symbol } }', '192.0.2.2'), 'a quote')
      assert.equal(text, '{"data":{"quote":{"symbol":"AAPL"}}}')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { text } = await inTime(ask(server, chart, '192.0.2.2'), 'a chart')
    assert.ok(text.length > 20_000_000)
    for (const socket of sockets) socket.destroy()
  }
  try {
    await Promise.race([good(), ended])
  } finally {
    server.kill('SIGKILL')
    await server.exited
    await rm(directory, { recursive: true, force: true })
  }
}

/** `reads`: it takes what it is answered. */
function attacker(server: ServerProcess, { reads }: { reads: boolean }): Socket {
  const { port, hostname } = new URL(server.api)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  if (reads) socket.resume()
  return socket
}

function post(client: string): string {
  const head = `POST /graphql HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: ${client}\r\n`
  return `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

for (const reads of [true, false]) {
  const which = reads ? 'reads them' : 'reads nothing'
  test(`8,000 long charts that a client asks for ahead, and ${which}, cost neither the process nor others`, () =>
    holdsUnder((server) => {
      const socket = attacker(server, { reads })
      for (let i = 0; i < 8000; i++) socket.write(post('192.0.2.9'))
      return [socket]
    }))

  test(`300 connections that ask for long charts, of a client who ${which}, cost neither the process nor others`, () =>
    holdsUnder((server) =>
      Array.from({ length: 300 }, () => {
        const socket = attacker(server, { reads })
        socket.write(post('192.0.2.9'))
        return socket
      }),
    ))
}

test('long charts over WebSocket, 100 on each of 20 sockets that read nothing, cost neither the process nor others', () =>
  holdsUnder((server) =>
    Array.from({ length: 20 }, () => {
      const socket = attacker(server, { reads: true })
      const webSocket = new WebSocket(`${server.api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        createConnection: () => socket,
        headers: { 'x-forwarded-for': '192.0.2.9' },
      })
      webSocket.on('error', () => {})
      const subscribe = (id: number): void =>
        webSocket.send(JSON.stringify({ type: 'subscribe', id: String(id), payload: { query: chart } }))
      void (async () => {
        await once(webSocket, 'open')
        webSocket.send('{"type":"connection_init"}')
        await once(webSocket, 'message')
        webSocket.pause()
        for (let id = 0; id < 100; id++) subscribe(id)
      })()
      return socket
    }),
  ))
