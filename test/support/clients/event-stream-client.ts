import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'

/** What a stream has said: an answer of the operation, or that it is complete. */
export type StreamEvent = { readonly type: 'next'; readonly payload: unknown } | { readonly type: 'complete' }

/** A GraphQL over SSE client that reads when it is told to, on a connection of its own. */
export class EventStreamClient implements AsyncDisposable {
  readonly #response: IncomingMessage
  /** Resolves when the answer has ended, or the connection. */
  readonly closed: Promise<void>

  private constructor(response: IncomingMessage, take: (event: StreamEvent) => void) {
    this.#response = response
    this.closed = new Promise((resolve) => response.on('close', resolve))
    let text = ''
    response.setEncoding('utf8')
    response.on('error', () => {})
    response.on('data', (chunk: string) => {
      text += chunk
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        // Comments keep the connection alive.
        if (event === ':') continue
        const { type, data } = /^event: (?<type>next|complete)\ndata:(?<data>.*)$/.exec(event)?.groups ?? {}
        if (type === undefined || data === undefined) throw new Error(`no event: ${event}`)
        take(type === 'next' ? { type, payload: JSON.parse(data) as unknown } : { type: 'complete' })
      }
    })
  }

  /** Answered, be it with a refusal. */
  static async open(
    api: string,
    query: string,
    variables: Record<string, unknown>,
    take: (event: StreamEvent) => void,
  ): Promise<EventStreamClient> {
    const headers = { accept: 'text/event-stream', 'content-type': 'application/json' }
    const asking = request(`${api}/graphql`, { method: 'POST', headers, agent: false })
    asking.end(JSON.stringify({ query, variables }))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    return new EventStreamClient(response, take)
  }

  get status(): number {
    return this.#response.statusCode ?? 0
  }

  header(name: string): string | undefined {
    return this.#response.headers[name]?.toString()
  }

  /** Reads no more, but for what has arrived by now. */
  stall(): void {
    this.#response.pause()
  }

  readOn(): void {
    this.#response.resume()
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#response.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await this.closed
  }
}
