import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** How long a client may take for the head of a request, from when it has connected, and for all of it. */
const headersTimeoutMs = 5000
const requestTimeoutMs = 10_000
/** How often clients are looked at that take longer. */
const checkIntervalMs = 1000
/** An answer of which nothing leaves for so long is given up. Streams and WebSockets have rules of their own. */
const standstillTimeoutMs = 60_000
/** How long requests that were begun may go on after stop(). */
const drainTimeoutMs = 5000
/** How many connections may wait to be accepted: past Node's 511, those who come back all at once wait for TCP to try again. */
const backlog = 4096
/** How long requests are held back at most, and how long nobody is to have come by then. */
const holdMs = 1000
const quietMs = 100
/** Within so short a turn of the event loop nobody has come to wait. */
const shortTurnMs = 0.1
const maxTurns = 100

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly serve: RequestListener
  /** Further connections are closed at once. */
  readonly maxConnections: number
  /** Called for each of these. */
  readonly onRefused?: () => void
}

/**
 * An HTTP server on one address. Its states: stopped -> start() -> listening -> stopAccepting() -> draining: serves as before, but
 * ends each connection with its next answer -> closed: takes no more connections -> stop() -> stopped.
 */
export class Listener {
  readonly server: Server
  readonly #host: string
  readonly #port: number
  #isDraining = false
  #held: (() => void)[] | undefined
  #closed: Promise<void> | undefined

  constructor({ host, port, serve, maxConnections, onRefused }: ListenerOptions) {
    const isDraining = (): boolean => this.#isDraining
    class Answer extends ServerResponse<IncomingMessage> {
      override writeHead(...args: unknown[]): this {
        if (isDraining()) this.shouldKeepAlive = false
        return (super.writeHead as (...args: unknown[]) => this).apply(this, args)
      }
    }
    const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs }
    this.server = createServer(
      { ServerResponse: Answer, connectionsCheckingInterval: checkIntervalMs, ...timeouts },
      (request, response) => {
        if (this.#held) this.#held.push(() => serve(request, response))
        else serve(request, response)
      },
    )
    this.server.timeout = standstillTimeoutMs
    this.server.maxConnections = maxConnections
    if (onRefused) this.server.on('drop', onRefused)
    this.#host = host
    this.#port = port
  }

  /** Throws where the address is taken. */
  async start(): Promise<void> {
    if (this.server.listening) return
    this.server.listen(this.#port, this.#host, backlog)
    await once(this.server, 'listening')
  }

  /** With the port that was chosen where 0 was asked for. */
  get origin(): string {
    const { port } = this.server.address() as AddressInfo
    const shown = this.#host === '0.0.0.0' || this.#host === '::' ? 'localhost' : this.#host
    return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
  }

  /** Drains for as long, then takes no more connections. Who has a connection is so told in an answer that it ends. */
  stopAccepting({ drainMs }: { drainMs: number }): Promise<void> {
    this.#closed ??= this.#drain(drainMs)
    return this.#closed
  }

  async #drain(drainMs: number): Promise<void> {
    if (!this.server.listening) return
    this.#isDraining = true
    if (drainMs > 0) {
      await sleep(drainMs)
      await this.#untilNobodyWaits()
    }
    this.server.close()
    const held = this.#held ?? []
    this.#held = undefined
    for (const serve of held) serve()
  }

  /**
   * The system resets those who wait to be accepted when a server ceases to. Under load somebody always does: so requests are held
   * back, whose clients then do not come again, until nobody has come for a while and a turn of the event loop had next to
   * nothing to do but to accept.
   */
  async #untilNobodyWaits(): Promise<void> {
    this.#held = []
    const heldSinceMs = performance.now()
    let lastCameMs = heldSinceMs
    const came = (): void => {
      lastCameMs = performance.now()
    }
    this.server.on('connection', came)
    let nowMs = heldSinceMs
    while (nowMs - lastCameMs < quietMs && nowMs - heldSinceMs < holdMs) {
      await sleep(5)
      nowMs = performance.now()
    }
    this.server.off('connection', came)
    for (let turn = 0; turn < maxTurns; turn++) {
      const turnedMs = performance.now()
      await nextTurn()
      if (performance.now() - turnedMs < shortTurnMs) break
    }
  }

  /** Waits for what is under way, a few seconds at most. */
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
