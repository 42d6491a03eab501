import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { clientFrame, FrameParser, textOf } from './frames.ts'

export interface Message {
  readonly id?: string
  readonly type: string
  readonly payload?: unknown
}

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 }

/** A graphql-transport-ws client on a bare socket, which reads when it is told to and looks at every frame. */
export class RawClient implements AsyncDisposable {
  readonly #socket: Socket
  readonly #parser = new FrameParser()
  readonly #take: (message: Message, text: string) => void
  /** The code that the server closes with; null where the connection ends without a word. */
  readonly closed: Promise<number | null>
  bytesRead = 0
  pings = 0
  answersPings = true

  private constructor(socket: Socket, take: (message: Message, text: string) => void) {
    this.#socket = socket
    this.#take = take
    const closed = Promise.withResolvers<number | null>()
    this.closed = closed.promise
    socket.on('error', () => {})
    socket.on('close', () => closed.resolve(null))
    socket.on('data', (bytes) => {
      this.bytesRead += bytes.length
      for (const { opcode, payload } of this.#parser.push(bytes)) {
        if (opcode === opcodes.close) {
          closed.resolve(payload.length < 2 ? 1005 : payload.readUInt16BE(0))
          socket.end(clientFrame(opcodes.close, payload.subarray(0, 2)))
        } else if (opcode === opcodes.ping) {
          this.pings += 1
          if (this.answersPings) socket.write(clientFrame(opcodes.pong, payload))
        } else if (opcode === opcodes.text) {
          const text = textOf(payload)
          this.#take(JSON.parse(text) as Message, text)
        } else throw new Error(`a frame with opcode ${opcode} was not expected`)
      }
    })
  }

  /** Connected and acknowledged. `take` is given every message after that. */
  static async open(api: string, take: (message: Message, text: string) => void): Promise<RawClient> {
    const acknowledged = Promise.withResolvers<void>()
    const client = await RawClient.connect(api, (message, text) => {
      if (message.type === 'connection_ack') acknowledged.resolve()
      else take(message, text)
    })
    client.send({ type: 'connection_init' })
    await Promise.race([acknowledged.promise, client.closed])
    return client
  }

  /** Only connected. */
  static async connect(
    api: string,
    take: (message: Message, text: string) => void,
    protocol: string | null = 'graphql-transport-ws',
  ): Promise<RawClient> {
    const { hostname, port } = new URL(api)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const lines = [
      'GET /graphql HTTP/1.1',
      `Host: ${hostname}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16, 7).toString('base64')}`,
      ...(protocol === null ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    const [head] = (await once(socket, 'data')) as [Buffer]
    const end = head.indexOf('\r\n\r\n')
    if (!head.subarray(0, end).toString().startsWith('HTTP/1.1 101')) throw new Error(`refused: ${head}`)
    const client = new RawClient(socket, take)
    const rest = head.subarray(end + 4)
    if (rest.length > 0) socket.emit('data', rest)
    return client
  }

  send(...messages: readonly (Message | string)[]): void {
    const frames = messages.map((message) =>
      clientFrame(opcodes.text, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message))),
    )
    this.#socket.write(Buffer.concat(frames))
  }

  /** Not as the protocol has it. */
  sendFrame(opcode: number, payload: Buffer): void {
    this.#socket.write(clientFrame(opcode, payload))
  }

  subscribe(id: string, query: string, variables: Record<string, unknown> = {}): void {
    this.send({ id, type: 'subscribe', payload: { query, variables } })
  }

  complete(id: string): void {
    this.send({ id, type: 'complete' })
  }

  /** Reads no more. */
  stall(): void {
    this.#socket.pause()
  }

  readOn(): void {
    this.#socket.resume()
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await this.closed
  }
}
