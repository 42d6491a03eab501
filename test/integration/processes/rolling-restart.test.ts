import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, inTime } from '../../support/clients/client.ts'
import { EventStreamClient } from '../../support/clients/event-stream-client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { killRounds } from '../../support/kill-rounds.ts'
import { noNginx, startNginx } from '../../support/nginx.ts'
import { type ServerProcess, startProcess } from '../../support/process.ts'

const database = await createTestDatabase()
after(() => database[Symbol.asyncDispose]())

const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' }
const start = (environment: Record<string, string> = {}): Promise<ServerProcess> =>
  startProcess(['api'], { ...settings, DRAIN_SECONDS: '1', ...environment })

/** Free ports, which stay the same when their servers are replaced. */
async function freePorts(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => String((server.address() as AddressInfo).port))
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

interface Load extends AsyncDisposable {
  end(): Promise<void>
  readonly answered: () => number
  readonly failures: readonly string[]
}

/**
 * Clients that send one query after the other over kept-alive connections, with and without a pause. Only after a refused
 * connection, when nothing was sent, do they ask elsewhere: a request that was sent has to be answered. It might be a mutation.
 */
function startLoad(urls: readonly string[], clients: number): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const failures: string[] = []
  let answered = 0
  let isOver = false
  const body = JSON.stringify({ query: '{ quote(symbol: "AAPL") { symbol } }' })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const ask = async (url: string): Promise<void> => {
    const outgoing = httpRequest(`${url}/graphql`, { method: 'POST', agent, headers })
    outgoing.end(body)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    if (response.statusCode !== 200 || text !== '{"data":{"quote":{"symbol":"AAPL"}}}') {
      throw new Error(`${response.statusCode}: ${text}`)
    }
  }
  const running = Array.from({ length: clients }, async (_, client) => {
    let at = client % urls.length
    let refusedInARow = 0
    while (!isOver) {
      try {
        await ask(urls[at] ?? '')
        answered++
        refusedInARow = 0
      } catch (error) {
        const { code, syscall, message } = error as NodeJS.ErrnoException
        if (syscall === 'connect' && ++refusedInARow < urls.length) {
          at = (at + 1) % urls.length
        } else {
          failures.push(`${code ?? ''} ${message}`)
          await sleep(100)
        }
      }
      await sleep(client % 3 === 0 ? 1 : client)
    }
  })
  const end = async (): Promise<void> => {
    isOver = true
    await Promise.all(running)
    agent.destroy()
  }
  return { answered: () => answered, failures, end, [Symbol.asyncDispose]: end }
}

/** Stops and replaces each in turn, so that one is always there. Resolves with the duration of each stop, in ms. */
async function restartInTurn(servers: ServerProcess[], ports: readonly string[]): Promise<number[]> {
  const tookMs: number[] = []
  for (let round = 0; round < killRounds; round++) {
    for (const [i, PORT] of ports.entries()) {
      const server = servers[i] as ServerProcess
      const toldMs = Date.now()
      server.kill('SIGTERM')
      assert.equal(await inTime(server.exited, 'the exit'), 0)
      tookMs.push(Date.now() - toldMs)
      servers[i] = await start({ PORT })
    }
  }
  return tookMs
}

test('a rolling restart of two servers loses no request of clients with kept-alive connections', async (t) => {
  const ports = await freePorts(2)
  const servers = await Promise.all(ports.map((PORT) => start({ PORT })))
  try {
    await using load = startLoad(
      servers.map(({ api }) => api),
      24,
    )
    await eventually(() => load.answered() > 500, 'that it runs')
    const tookMs = await restartInTurn(servers, ports)
    await load.end()
    t.diagnostic(`${load.answered()} requests answered, ${tookMs.length} stops of ${tookMs.join(', ')} ms`)
    assert.deepEqual(load.failures, [])
    assert.ok(load.answered() > 1000 * killRounds)
    for (const ms of tookMs) assert.ok(ms < 10_000, `${ms} ms`)
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
})

// By default nginx avoids a server for 10 s once it has refused: `max_fails=0` spares a pause of that length between restarts.
test('a rolling restart of two servers behind a stock nginx loses no request', { skip: noNginx }, async (t) => {
  const ports = await freePorts(2)
  const servers = await Promise.all(ports.map((PORT) => start({ PORT })))
  try {
    await using nginx = await startNginx(
      (port) => `
        upstream finstage { ${ports.map((upstream) => `server 127.0.0.1:${upstream} max_fails=0;`).join(' ')} }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://finstage; proxy_set_header Host $host; } }`,
    )
    await using load = startLoad([nginx.url], 16)
    await eventually(() => load.answered() > 500, 'that it runs')
    const tookMs = await restartInTurn(servers, ports)
    await load.end()
    t.diagnostic(`${load.answered()} requests answered, ${tookMs.length} stops of ${tookMs.join(', ')} ms`)
    assert.deepEqual(load.failures, [])
    assert.ok(load.answered() > 1000 * killRounds)
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
})

test('a server that is told to stop drains first: readyz is 503, each answer closes its connection, and new connections are still served', async () => {
  await using server = await start({ DRAIN_SECONDS: '2' })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (path: string, options: object = {}): Promise<IncomingMessage> => {
    const outgoing = httpRequest(`${server.api}${path}`, options).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    await response.toArray()
    return response
  }
  const query = '/graphql?query={__typename}'
  assert.equal((await ask(query, { agent })).headers.connection, 'keep-alive')
  server.kill('SIGTERM')
  await eventually(async () => (await ask('/readyz', { agent: false })).statusCode === 503, 'that it is not ready')
  for (const options of [{ agent }, { agent: false }]) {
    const { statusCode, headers } = await ask(query, options)
    assert.deepEqual([statusCode, headers.connection], [200, 'close'])
  }
  assert.equal(await inTime(server.exited, 'the exit'), 0)
  agent.destroy()
})

test('a stock nginx passes on each event of a stream over SSE at once', {
  skip: noNginx,
}, async () => {
  await using server = await startProcess(['all'], settings)
  await using nginx = await startNginx(
    (port) => `server { listen 127.0.0.1:${port}; location / { proxy_pass ${server.api}; } }`,
  )
  const query = 'subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { kind seq } }'
  let events = 0
  const startedMs = Date.now()
  await using stream = await EventStreamClient.open(nginx.url, query, { s: ['AAPL'] }, () => events++)
  assert.equal(stream.status, 200)
  await eventually(() => events > 0, 'the first event', 5000)
  const firstMs = Date.now() - startedMs
  assert.ok(firstMs < 5000, `${firstMs} ms`)
  for (let more = 1; more <= 2; more++) {
    const before = events
    await eventually(() => events > before, 'the next event', 5000)
  }
})
