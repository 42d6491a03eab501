import { connect, type Socket } from 'node:net'
import type { MessageTally, Reader, TickClock } from './price-tally.ts'

/** Room before the data for the rest of the last read: one message at most. */
const restBytes = 64 * 1024
const readBytes = 256 * 1024
/** Shared by all sockets: its contents are processed before another socket reads. */
const shared = Buffer.allocUnsafeSlow(restBytes + readBytes)
const readInto = shared.subarray(restBytes)

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const
const isFinal = 0x80
const isMasked = 0x80
const headEnd = '\r\n\r\n'
/** Begins the answer of a server that has more to do than it can: the client is lost, and nothing is wrong. */
const tooMuch = /^HTTP\/1\.1 (408|503) /

export interface PriceSocketOptions {
  /** Address of GraphQL: http://127.0.0.1:4000/graphql */
  readonly url: URL
  /** One of 127.0.0.0/8: each address has its own ports. */
  readonly localAddress: string
  readonly symbol: string
  readonly clock: TickClock
  /** Id of the subscription. */
  readonly id: string
  readonly query: string
  readonly variables?: Record<string, unknown>
  readonly tally: MessageTally
  /** Its first price arrived. */
  readonly onServed: (socket: PriceSocket) => void
  /** It ended, for whatever reason; not called after destroy(). */
  readonly onClosed: (socket: PriceSocket) => void
  /** A message was wrong. */
  readonly onWrong: (error: unknown) => void
}

/**
 * One subscriber of prices over graphql-transport-ws, on a bare TCP socket with only the part of RFC 6455
 * that a load client needs. All sockets read into one buffer, so that a message costs no allocation.
 */
export class PriceSocket implements Reader {
  readonly id: string
  readonly symbol: string
  readonly clock: TickClock
  seq: number | null = null
  missing = 0
  readonly #options: PriceSocketOptions
  readonly #tally: MessageTally
  readonly #socket: Socket
  #isUpgraded = false
  #isDestroyed = false
  /** Start of a message whose end has not arrived yet. */
  #rest: Buffer | null = null

  constructor(options: PriceSocketOptions) {
    const { url, localAddress, symbol, clock, id, tally } = options
    this.id = id
    this.symbol = symbol
    this.clock = clock
    this.#options = options
    this.#tally = tally
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      localAddress,
      noDelay: true,
      onread: {
        buffer: readInto,
        callback: (length) => {
          this.#read(length)
          return true
        },
      },
    })
    this.#socket.once('connect', () => this.#socket.write(upgradeOf(url)))
    // 'close' follows and reports the end.
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => {
      if (!this.#isDestroyed) options.onClosed(this)
    })
  }

  /** Stops reading and keeps the connection. */
  stall(): void {
    this.#socket.pause()
  }

  goOn(): void {
    this.#socket.resume()
  }

  /** Ends the subscription and keeps the connection. */
  complete(): void {
    this.#send(JSON.stringify({ id: this.id, type: 'complete' }))
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#socket.destroy()
  }

  #read(length: number): void {
    if (this.#isDestroyed) return
    let at = restBytes
    if (this.#rest) {
      at -= this.#rest.length
      this.#rest.copy(shared, at)
      this.#rest = null
    }
    const end = restBytes + length
    try {
      if (!this.#isUpgraded) at = this.#upgraded(at, end)
      if (this.#isUpgraded) at = this.#frames(at, end)
      if (end - at > restBytes) throw new Error('a message of more than 64 KiB')
      if (at < end) this.#rest = Buffer.from(shared.subarray(at, end))
    } catch (error) {
      this.#options.onWrong(error)
    }
  }

  /** Returns the position after the head of the answer, or `at` if the head is incomplete. */
  #upgraded(at: number, end: number): number {
    const headLength = shared.subarray(at, end).indexOf(headEnd)
    if (headLength < 0) return at
    const head = shared.toString('latin1', at, at + headLength)
    if (tooMuch.test(head)) {
      this.#socket.destroy()
      return end
    }
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`no WebSocket: ${head}`)
    this.#isUpgraded = true
    this.#send('{"type":"connection_init"}')
    return at + headLength + headEnd.length
  }

  /** Returns the position after the last whole frame. */
  #frames(start: number, end: number): number {
    let at = start
    this.#tally.began()
    while (at + 2 <= end) {
      const first = shared[at] as number
      let length = shared[at + 1] as number
      let from = at + 2
      if (length === 126) {
        if (at + 4 > end) break
        length = ((shared[at + 2] as number) << 8) | (shared[at + 3] as number)
        from = at + 4
      } else if (length > 126) throw new Error('a message of more than 64 KiB, or a masked one')
      const to = from + length
      if (to > end) break
      this.#frame(first, from, to)
      at = to
    }
    return at
  }

  #frame(first: number, from: number, to: number): void {
    const isServed = this.seq !== null
    if (first === (isFinal | opcodes.text)) {
      if (!this.#tally.take(shared, from, to, this)) this.#control(shared.toString('utf8', from, to))
      else if (!isServed) this.#options.onServed(this)
    } else if (first === (isFinal | opcodes.ping)) this.#write(opcodes.pong, shared.subarray(from, to))
    else if (first !== (isFinal | opcodes.close)) throw new Error(`a frame that begins with ${first}`)
  }

  #control(text: string): void {
    const { type } = JSON.parse(text) as { type: string }
    if (type === 'connection_ack') this.#subscribe()
    else if (type === 'ping') this.#send('{"type":"pong"}')
    else throw new Error(`a wrong message: ${text}`)
  }

  #subscribe(): void {
    const { query, variables } = this.#options
    this.#send(JSON.stringify({ id: this.id, type: 'subscribe', payload: { query, variables } }))
  }

  #send(text: string): void {
    this.#write(opcodes.text, Buffer.from(text))
  }

  /** Masked with zeros, which change nothing: a client must mask, and a server does not care with what. */
  #write(opcode: number, payload: Uint8Array): void {
    const head =
      payload.length < 126
        ? [isFinal | opcode, isMasked | payload.length]
        : [isFinal | opcode, isMasked | 126, payload.length >>> 8, payload.length & 0xff]
    this.#socket.write(Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]))
  }
}

function upgradeOf({ host, pathname }: URL): string {
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const lines = [
    `GET ${pathname} HTTP/1.1`,
    `host: ${host}`,
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${key}`,
    'sec-websocket-protocol: graphql-transport-ws',
  ]
  return lines.join('\r\n') + headEnd
}
