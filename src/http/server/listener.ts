import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { outstandingAnswer } from '../../platform/node-internals.ts'
import { turns } from '../../resolvers/rows.ts'
import type { HttpTraffic } from './http-traffic.ts'
import { mayUpgrade, oneAtATime, refuseUnreadable } from './one-at-a-time.ts'

/** How long a client may take to send the headers of a request once it has connected, and to send the whole request. */
const headersTimeoutMs = 5000
const requestTimeoutMs = 10_000
/** How often Node looks for clients that take longer. */
const checkIntervalMs = 1000
/** An answer of which nothing leaves for this long is given up. Streams and WebSockets have rules of their own. */
const standstillTimeoutMs = 60_000
/** How long requests that have begun may go on after stop(). */
const drainTimeoutMs = 5000
/**
 * How many connections may wait to be accepted. With Node's 511, clients that reconnect all at once wait for TCP to
 * retry.
 */
const backlog = 4096
/** How long requests are held back at most, and after how long without a new connection that ends. */
const holdMs = 1000
const quietMs = 100
/** In a turn of the event loop as short as this, no connection was accepted. */
const shortTurnMs = 0.1
const maxTurns = 100

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly serve: RequestListener
  /** Connections beyond this number are closed at once. */
  readonly maxConnections: number
  /** Called for each connection that is closed so. */
  readonly onRefused?: () => void
  /** Where answers are counted. */
  readonly traffic?: HttpTraffic
}

/**
 * An HTTP server on one address. Its states:
 * - stopped, until start()
 * - listening, until stopAccepting()
 * - draining: serves as before, and ends each connection with its next answer
 * - closed: takes no more connections, until stop()
 */
export class Listener {
  readonly server: Server
  readonly #host: string
  readonly #port: number
  #isDraining = false
  readonly #sockets = new Set<Socket>()
  #held: (() => void)[] | undefined
  #closed: Promise<void> | undefined

  constructor({ host, port, serve, maxConnections, onRefused, traffic }: ListenerOptions) {
    const isDraining = (): boolean => this.#isDraining
    class Answer extends ServerResponse<IncomingMessage> {
      override writeHead(...args: unknown[]): this {
        if (isDraining()) this.shouldKeepAlive = false
        traffic?.answered(args[0] as number)
        return (super.writeHead as (...args: unknown[]) => this).apply(this, args)
      }
    }
    const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs }
    const shouldUpgradeCallback = (request: IncomingMessage): boolean =>
      this.server.listenerCount('upgrade') > 0 && mayUpgrade(request)
    this.server = createServer(
      { ServerResponse: Answer, connectionsCheckingInterval: checkIntervalMs, shouldUpgradeCallback, ...timeouts },
      oneAtATime((request, response) => {
        if (this.#held) this.#held.push(() => serve(request, response))
        else serve(request, response)
      }, standstillTimeoutMs),
    )
    this.server.on('clientError', (error, socket) => refuseUnreadable(error, socket as Socket))
    this.server.timeout = standstillTimeoutMs
    this.server.maxConnections = maxConnections
    // Node accepts one connection in each round of the event loop, and reads its request in the next. With turns of
    // long work in between, the last of ten would wait for ten of them.
    const sockets = this.#sockets
    // One function for all connections: there are as many as clients.
    function left(this: Socket): void {
      sockets.delete(this)
    }
    this.server.on('connection', (socket) => {
      turns.giveWay()
      sockets.add(socket)
      socket.on('close', left)
    })
    if (onRefused) this.server.on('drop', onRefused)
    this.#host = host
    this.#port = port
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /** How many of them wait for the end of an answer. */
  get answering(): number {
    let count = 0
    for (const socket of this.#sockets) if (outstandingAnswer(socket)) count++
    return count
  }

  /** Throws if the address is taken. */
  async start(): Promise<void> {
    if (this.server.listening) return
    this.server.listen(this.#port, this.#host, backlog)
    await once(this.server, 'listening')
  }

  /** With the port that the system has chosen if 0 was asked for. */
  get origin(): string {
    const { port } = this.server.address() as AddressInfo
    const shown = this.#host === '0.0.0.0' || this.#host === '::' ? 'localhost' : this.#host
    return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
  }

  /**
   * Drains for `drainMs`, so that clients learn from an answer that their connection ends. Then takes no more
   * connections.
   */
  stopAccepting({ drainMs }: { drainMs: number }): Promise<void> {
    this.#closed ??= this.#drain(drainMs)
    return this.#closed
  }

  async #drain(drainMs: number): Promise<void> {
    if (!this.server.listening) return
    this.#isDraining = true
    if (drainMs > 0) {
      await sleep(drainMs)
      await this.#untilNoneWaits()
    }
    this.server.close()
    const held = this.#held ?? []
    this.#held = undefined
    for (const serve of held) serve()
  }

  /**
   * When a server closes, the system resets the connections that wait to be accepted, and under load some always wait.
   * So requests are held back, which keeps their clients from coming again, until no connection has come for a while
   * and a turn of the event loop had next to nothing to accept.
   */
  async #untilNoneWaits(): Promise<void> {
    this.#held = []
    const heldSinceMs = performance.now()
    let lastConnectionMs = heldSinceMs
    const connected = (): void => {
      lastConnectionMs = performance.now()
    }
    this.server.on('connection', connected)
    let nowMs = heldSinceMs
    while (nowMs - lastConnectionMs < quietMs && nowMs - heldSinceMs < holdMs) {
      await sleep(5)
      nowMs = performance.now()
    }
    this.server.off('connection', connected)
    for (let turn = 0; turn < maxTurns; turn++) {
      const turnedMs = performance.now()
      await nextTurn()
      if (performance.now() - turnedMs < shortTurnMs) break
    }
  }

  /** Waits for requests that have begun, a few seconds at most. */
  async stop(): Promise<void> {
    await this.stopAccepting({ drainMs: 0 })
    const closed = new Promise<void>((resolve) => {
      const check = setInterval(() => {
        this.server.closeIdleConnections()
        this.server.getConnections((error, count) => {
          if (!error && count > 0) return
          clearInterval(check)
          resolve()
        })
      }, 20)
    })
    const deadline = setTimeout(() => this.server.closeAllConnections(), drainTimeoutMs)
    await closed
    clearTimeout(deadline)
  }
}
