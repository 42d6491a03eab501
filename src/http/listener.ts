import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How long requests that were begun may go on after stop(). */
const drainTimeoutMs = 5000
/** How many connections may wait to be accepted: past Node's 511, those who come back all at once wait for TCP to try again. */
const backlog = 4096

/** An HTTP server on one address. Its states: stopped -> start() -> listening -> stop() -> stopped. */
export class Listener {
  readonly server: Server
  readonly #host: string
  readonly #port: number

  constructor(options: { host: string; port: number; serve: RequestListener }) {
    this.server = createServer(options.serve)
    this.#host = options.host
    this.#port = options.port
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

  /** Takes no more connections. */
  stopAccepting(): void {
    if (!this.server.listening) return
    this.server.close()
    this.server.closeIdleConnections()
  }

  /** Waits for what is under way, a few seconds at most. */
  async stop(): Promise<void> {
    this.stopAccepting()
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
