import { promisify } from 'node:util'
import {
  brotliCompress,
  brotliCompressSync,
  constants,
  gzip,
  gzipSync,
  zstdCompress,
  zstdCompressSync,
} from 'node:zlib'

export type Encoding = 'zstd' | 'br' | 'gzip' | 'identity'

/** Shorter answers are never compressed: they fit into one packet as they are. */
export const leastBytes = 1024

/**
 * Up to this size an answer is compressed in one call, which takes two milliseconds at most. Handing it to a thread
 * costs 0.15 ms of CPU more.
 */
const mostBytesAtOnce = 256 * 1024

/** The best first: of prices, zstd leaves the fewest bytes in the shortest time. */
const answerEncodings = ['zstd', 'br', 'gzip'] as const

/** On the digits of prices, higher levels cost several times as much and save little; those of zstd save nothing. */
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
const gzipOptions = { level: 1 }

const [zstdInThread, brotliInThread, gzipInThread] = [
  promisify(zstdCompress),
  promisify(brotliCompress),
  promisify(gzip),
]

type Bytes = Buffer<ArrayBuffer>

const atOnce: Readonly<Record<Encoding, (body: Bytes) => Bytes>> = {
  zstd: (body) => zstdCompressSync(body, zstdOptions),
  br: (body) => brotliCompressSync(body, brotliOptions),
  gzip: (body) => gzipSync(body, gzipOptions),
  identity: (body) => body,
}

const inThread: Readonly<Record<Encoding, (body: Bytes) => Bytes | Promise<Bytes>>> = {
  zstd: (body) => zstdInThread(body, zstdOptions),
  br: (body) => brotliInThread(body, brotliOptions),
  gzip: (body) => gzipInThread(body, gzipOptions),
  identity: (body) => body,
}

/** Compresses an answer: at once, or in a thread if it is long. */
export const encode = (body: Bytes, encoding: Encoding): Bytes | Promise<Bytes> =>
  (body.length > mostBytesAtOnce ? inThread : atOnce)[encoding](body)

/**
 * The encoding that an Accept-Encoding header asks for (RFC 9110, 12.5.3). `offered`: the server's choice among those
 * that the client weighs alike. If the client accepts none of them, or sends no header, the answer goes as it is.
 */
export function acceptedEncoding(
  header: string | undefined,
  offered: readonly Exclude<Encoding, 'identity'>[] = answerEncodings,
): Encoding {
  if (!header) return 'identity'
  const weights = weightsOf(header)
  let best: Encoding = 'identity'
  let most = 0
  for (const encoding of offered) {
    const weight = weights.get(encoding) ?? weights.get('*') ?? 0
    if (weight <= most) continue
    best = encoding
    most = weight
  }
  return most >= (weights.get('identity') ?? 0) ? best : 'identity'
}

/** A weight that is malformed counts as 0: every client can read what is not compressed. */
function weightsOf(header: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const part of header.toLowerCase().split(',')) {
    const [name = '', parameter] = part.split(';').map((text) => text.trim())
    const weight = parameter === undefined ? '1' : /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameter)?.[1]
    // The older name of gzip (RFC 9110, 8.4.1.3).
    weights.set(name === 'x-gzip' ? 'gzip' : name, Number(weight ?? 0))
  }
  return weights
}
