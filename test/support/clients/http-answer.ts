import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { inTime } from './client.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As it was sent. */
  readonly bytes: Buffer
  /** Without its encoding. */
  readonly text: string
}

export interface HttpQuestion {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  zstd: zstdDecompressSync,
  br: brotliDecompressSync,
  gzip: gunzipSync,
}

/** One request, and its answer to the byte: fetch adds headers of its own and hides encodings. */
export async function askHttp(url: string, { method = 'GET', headers = {}, body }: HttpQuestion): Promise<HttpAnswer> {
  const outgoing = httpRequest(url, { method, headers, agent: false })
  const arrived = once(outgoing, 'response') as Promise<[IncomingMessage]>
  outgoing.end(body)
  const [response] = await inTime(arrived, 'an answer')
  const bytes = Buffer.concat(await inTime(response.toArray(), 'the end of an answer'))
  const encoding = response.headers['content-encoding']
  const decode = encoding === undefined ? (plain: Buffer): Buffer => plain : decoders[encoding]
  if (!decode) throw new Error(`an answer in the encoding ${encoding}`)
  const text = bytes.length === 0 ? '' : decode(bytes).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, bytes, text }
}
