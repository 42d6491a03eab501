import { once } from 'node:events'
import type { ServerResponse } from 'node:http'

export type Endpoint = 'cookie' | 'crumb' | 'quote' | 'chart' | 'search' | 'other'

/** What goes wrong. Of several faults of an endpoint the newest is the one that happens. */
export type Fault =
  | { readonly delayMs: number }
  /** 429 and 5xx as text, everything else in Yahoo's JSON form, unless there is a body. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** No answer at all, or one whose body stops halfway with the connection open. */
  | { readonly hang: 'answer' | 'body' }
  /** The right answer, cut in half. */
  | { readonly truncated: true }
  | { readonly html: true }
  | { readonly drop: true }
  /** The right answer, with headers of its own: a cookie, say. */
  | { readonly headers: Readonly<Record<string, string>> }
  /** JSON of so many bytes, sent no faster than it is read, and counted under `bytesSent`. */
  | { readonly bytes: number }
  /** The right answer's body, a copy of it, changed. */
  | { readonly spoil: (body: unknown) => unknown }

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string | string[]>>
}

interface Armed {
  readonly endpoint: Endpoint
  readonly fault: Fault
  readonly share: number
  left: number
  /** How many requests it could have happened to. */
  seen: number
}

/** The faults that are yet to happen. */
export class Faults {
  readonly #armed: Armed[] = []

  add(endpoint: Endpoint, fault: Fault, times = Number.POSITIVE_INFINITY, share = 1): () => void {
    const entry = { endpoint, fault, share, left: times, seen: 0 }
    this.#armed.push(entry)
    return () => {
      entry.left = 0
    }
  }

  clear(): void {
    this.#armed.splice(0)
  }

  take(endpoint: Endpoint): Fault | undefined {
    const next = this.#armed.findLast((each) => each.endpoint === endpoint && each.left > 0 && hits(each))
    if (next) next.left--
    return next?.fault
  }
}

/** Evenly spread and the same in every run: of a share of 0.5 every second request. */
function hits(armed: Armed): boolean {
  const before = Math.floor(armed.seen * armed.share)
  armed.seen++
  return Math.floor(armed.seen * armed.share) > before
}

/** Sends the answer, or what the fault makes of it. */
export function send(
  response: ServerResponse,
  answer: Answer,
  fault: Fault | undefined,
  sent: (bytes: number) => void,
): void {
  if (fault === undefined) write(response, answer)
  else if ('delayMs' in fault) setTimeout(write, fault.delayMs, response, answer)
  else if ('status' in fault) write(response, refusal(fault))
  else if ('headers' in fault) write(response, { ...answer, headers: { ...answer.headers, ...fault.headers } })
  else if ('truncated' in fault) write(response, { ...answer, body: half(answer) })
  else if ('html' in fault) write(response, { status: 200, body: '<html><body>Will be right back</body></html>' })
  else if ('drop' in fault) response.destroy()
  else if ('bytes' in fault) void pour(response, fault.bytes, sent)
  else if ('spoil' in fault) write(response, { ...answer, body: fault.spoil(structuredClone(answer.body)) })
  else if (fault.hang === 'body') response.writeHead(200, { 'content-type': 'application/json' }).write(half(answer))
}

/** Yahoo's form of an error; the outer name is the endpoint's. */
export const yahooError = (outer: string, status: number, code: string, description: string): Answer => ({
  status,
  body: { [outer]: { result: null, error: { code, description } } },
})

function refusal({ status, headers = {}, body }: Extract<Fault, { status: number }>): Answer {
  if (body !== undefined) return { status, headers, body }
  if (status === 429) return { status, headers, body: 'Too Many Requests\r\n' }
  if (status >= 500) return { status, headers, body: 'upstream connect error' }
  return { ...yahooError('finance', status, 'Error', `Status ${status}`), headers }
}

const textOf = ({ body }: Answer): string => (typeof body === 'string' ? body : JSON.stringify(body))

const half = (answer: Answer): string => textOf(answer).slice(0, textOf(answer).length / 2)

function write(response: ServerResponse, answer: Answer): void {
  const type = typeof answer.body === 'string' ? 'text/html' : 'application/json'
  response.writeHead(answer.status, { 'content-type': type, ...answer.headers })
  response.end(textOf(answer))
}

const chunkBytes = 65_536
const chunk = Buffer.alloc(chunkBytes, 'x')

/** One long JSON string, of which there is never more than a chunk in memory. Ends early where the client goes away. */
async function pour(response: ServerResponse, bytes: number, sent: (bytes: number) => void): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'application/json' })
  const put = async (piece: string | Buffer): Promise<void> => {
    sent(piece.length)
    if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal })
  }
  try {
    await put('"')
    for (let left = bytes - 2; left > 0; left -= chunkBytes) await put(chunk.subarray(0, Math.min(left, chunkBytes)))
    await put('"')
    response.end()
  } catch (error) {
    if (!gone.signal.aborted) throw error
  }
}
