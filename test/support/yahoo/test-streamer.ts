import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Listing, Quote } from '../../../src/domain/quote.ts'
import { pricingMessage } from '../../../src/market/yahoo/live/frame.ts'
import type { OpenStream, StreamEvents } from '../../../src/market/yahoo/live/socket.ts'

/** By the names in Yahoo's message. What is not given is not on the wire; what is given is, be it 0. */
export type PricingFields = Readonly<Record<string, string | number>>

/** A message as Yahoo's streamer sends it. */
export const pricingText = (fields: PricingFields): string =>
  JSON.stringify({
    type: 'pricing',
    message: Buffer.from(pricingMessage.encode(fields).finish()).toString('base64'),
  })

export interface TestStreamer extends AsyncDisposable {
  /** ws://127.0.0.1:port/?version=2, for YAHOO_STREAM_URL. */
  readonly url: string
  /** What clients have sent, parsed, oldest first. */
  readonly received: readonly Readonly<Record<string, unknown>>[]
  /** Of each open connection, the symbols that it has subscribed. */
  subscriptions(): string[][]
  /** Resolves once some open connection has subscribed the symbol. */
  subscribed(symbol: string): Promise<void>
  /** Sends a price to whoever has subscribed the symbol, and says to how many. `time` is now, unless given. */
  push(symbol: string, fields: PricingFields): number
  /** Sends a text, as it is, to everybody. */
  send(text: string): void
  /** Breaks all connections; new ones are taken. */
  drop(): void
  /** Answers attempts to connect with 503, until called with false. */
  refuse(refused?: boolean): void
  /** How many attempts were answered so. */
  refusals(): number
  /** Takes everything and sends nothing, until called with false. */
  silence(silent?: boolean): void
  /** Kills the server: connections break, new ones are refused by the machine. */
  kill(): Promise<void>
  /** Brings it back on the same port. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Yahoo's push feed as far as this project uses it, over plain ws. */
export async function startTestStreamer(): Promise<TestStreamer> {
  const clients = new Map<WebSocket, Set<string>>()
  const received: Record<string, unknown>[] = []
  const arrivals = new EventEmitter()
  let refused = false
  let refusals = 0
  let silent = false
  let server = await listen(0)
  const { port } = server.address() as AddressInfo

  async function listen(at: number) {
    const http = createServer((_, response) => response.writeHead(426).end())
    const sockets = new WebSocketServer({ noServer: true })
    http.on('upgrade', (request, socket, head) => {
      if (refused) {
        refusals++
        socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n')
      } else sockets.handleUpgrade(request, socket, head, serve)
    })
    http.listen(at, '127.0.0.1')
    await once(http, 'listening')
    return http
  }

  function serve(client: WebSocket): void {
    const symbols = new Set<string>()
    clients.set(client, symbols)
    client.on('error', () => {})
    client.on('close', () => clients.delete(client))
    client.on('message', (data) => {
      const message = JSON.parse(String(data))
      received.push(message)
      for (const symbol of message.subscribe ?? []) symbols.add(symbol)
      for (const symbol of message.unsubscribe ?? []) symbols.delete(symbol)
      arrivals.emit('message')
    })
  }

  function push(symbol: string, fields: PricingFields): number {
    if (silent) return 0
    const text = pricingText({ id: symbol, time: Date.now(), ...fields })
    const subscribers = [...clients].filter(([, symbols]) => symbols.has(symbol))
    for (const [client] of subscribers) client.send(text)
    return subscribers.length
  }

  const subscriptions = () => [...clients.values()].map((symbols) => [...symbols])

  async function subscribed(symbol: string): Promise<void> {
    while (!subscriptions().flat().includes(symbol)) await once(arrivals, 'message')
  }

  function drop(): void {
    for (const client of clients.keys()) client.terminate()
    clients.clear()
  }

  async function kill(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    drop()
    server.closeAllConnections()
    await closed
  }

  return {
    url: `ws://127.0.0.1:${port}/?version=2`,
    received,
    subscriptions,
    subscribed,
    push,
    send: (text) => {
      for (const client of clients.keys()) client.send(text)
    },
    drop,
    refuse: (next = true) => {
      refused = next
    },
    refusals: () => refusals,
    silence: (next = true) => {
      silent = next
    },
    kill,
    restart: async () => {
      server = await listen(port)
    },
    close: kill,
    [Symbol.asyncDispose]: kill,
  }
}

export interface FakeConnection {
  readonly url: string
  readonly events: StreamEvents
  /** What the client has sent, parsed. */
  readonly sent: Readonly<Record<string, readonly string[]>>[]
  isEnded: boolean
  push(symbol: string, fields: PricingFields): void
}

/** Sockets without a network: the test says what happens to them. */
export function fakeStream(): { readonly open: OpenStream; readonly connections: FakeConnection[] } {
  const connections: FakeConnection[] = []
  const open: OpenStream = (url, events) => {
    const connection: FakeConnection = {
      url,
      events,
      sent: [],
      isEnded: false,
      push: (symbol, fields) => events.message(pricingText({ id: symbol, ...fields })),
    }
    connections.push(connection)
    return {
      send: (text) => void connection.sent.push(JSON.parse(text)),
      end: () => {
        connection.isEnded = true
      },
    }
  }
  return { open, connections }
}

/** A listing as from a quote of Yahoo's. */
export function pricedListing(symbol: string, quote: Partial<Quote> = {}): Listing & { readonly quote: Quote } {
  const marketState = quote.marketState ?? 'REGULAR'
  return {
    instrument: {
      ...{ symbol, name: null, kind: 'EQUITY', exchange: null, currency: 'USD', priceDecimals: 2, marketState },
    },
    quote: {
      ...{ symbol, price: 1, previousClose: null, change: null, changePercent: null, open: null, dayHigh: null },
      ...{ dayLow: null, volume: null, bid: null, ask: null, marketCap: null, fiftyTwoWeekHigh: null },
      ...{ fiftyTwoWeekLow: null, currency: 'USD', marketState, timeMs: 0, regularPrice: null },
      ...{
        extendedChange: null,
        extendedChangePercent: null,
        source: 'YAHOO',
        receivedAtMs: 0,
        delayMinutes: null,
        stale: false,
      },
      ...quote,
    },
  }
}
