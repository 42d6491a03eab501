import { once } from 'node:events'
import { MessageType } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { Asked } from './measured-app.ts'

const patienceMs = 30_000

export interface Begun {
  /** What they were told to cost to begin, together. null: none was told. */
  readonly points: number | null
  /** The first errors. */
  readonly errors: readonly string[]
}

/** A client that watches over one WebSocket, and counts events and entries of lists of prices as one each. */
export class Watcher {
  readonly #socket: WebSocket
  #events = 0
  #points: number | null = null
  readonly #errors: string[] = []
  #ended = 0
  #seen: () => void = () => {}
  #ids = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.#take(String(data)))
  }

  static async open(url: string): Promise<Watcher> {
    const socket = new WebSocket(url, 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: MessageType.ConnectionInit }))
    await once(socket, 'message')
    return new Watcher(socket)
  }

  /** Begins one after the other, each when the one before has had so many events or has failed. */
  async begin(subscriptions: readonly Asked[], events: number): Promise<Begun> {
    for (const payload of subscriptions) {
      const [wanted, ended] = [this.#events + events, this.#ended]
      const message = { id: String(this.#ids++), type: MessageType.Subscribe }
      this.#socket.send(JSON.stringify({ ...message, payload: { ...payload, extensions: { cost: 1 } } }))
      while (this.#events < wanted && this.#ended === ended) await this.#next()
    }
    return { points: this.#points, errors: this.#errors.slice(0, 3) }
  }

  get events(): number {
    return this.#events
  }

  async close(): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no event has come')), patienceMs)
      this.#seen = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #take(text: string): void {
    const { type, payload } = JSON.parse(text) as { type: string; payload: Payload | Payload['errors'] }
    if (type === MessageType.Next) {
      const { data, errors, extensions } = payload as Payload
      if (extensions?.cost) this.#points = (this.#points ?? 0) + extensions.cost.points
      for (const { message } of errors ?? []) this.#errors.push(message)
      const [event] = Object.values(data ?? {})
      if (event) this.#events += Array.isArray(event) ? event.length : 1
    } else {
      if (type === MessageType.Error)
        this.#errors.push(...(payload as Required<Payload>['errors']).map((each) => each.message))
      this.#ended += 1
    }
    this.#seen()
  }
}

interface Payload {
  readonly data?: object | null
  readonly errors?: readonly { readonly message: string }[]
  readonly extensions?: { readonly cost?: { readonly points: number } }
}
