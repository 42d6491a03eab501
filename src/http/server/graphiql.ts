import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { acceptedEncoding, type Encoding } from '../answers/encoding.ts'
import { isKnown } from '../answers/revalidation.ts'
import { exampleOperations } from './example-operations.ts'

/** It is compressed once, so the smallest comes first. */
const encodings = ['br', 'zstd', 'gzip'] as const

const compress: Record<Encoding, (html: Buffer) => Promise<Buffer>> = {
  br: (html) => promisify(brotliCompress)(html, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
  zstd: (html) => promisify(zstdCompress)(html, { params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
  gzip: promisify(gzip),
  identity: async (html) => html,
}

/**
 * No site may frame the page, since a click in it can run an operation that its address contains. It loads nothing from
 * other hosts and talks to its own server only, whatever it is made to show.
 */
const protections = {
  'content-security-policy':
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; style-src 'unsafe-inline'; img-src 'self' data: blob:; " +
    "font-src data:; worker-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

interface Page {
  readonly html: Buffer
  readonly version: string
}

function render(): Page {
  const page = renderGraphiQL({ title: 'Finstage', defaultQuery: exampleOperations, subscriptionsProtocol: 'WS' })
  const html = Buffer.from(String(page))
  return { html, version: createHash('sha256').update(html).digest('base64url').slice(0, 20) }
}

/** GraphiQL in one page that needs no other host. It is rendered and compressed once, when it is first asked for. */
export class GraphiQLPage {
  #rendered: Page | undefined
  readonly #bodies = new Map<Encoding, Promise<Buffer>>()

  static isWanted(request: IncomingMessage): boolean {
    return (
      request.method === 'GET' &&
      (request.headers.accept ?? '').includes('text/html') &&
      !request.url?.includes('query=')
    )
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const encoding = acceptedEncoding(request.headers['accept-encoding'], encodings)
    const etag = `"${this.#page.version}-${encoding}"`
    const headers = { ...protections, etag, 'cache-control': 'no-cache', vary: 'accept, accept-encoding' }
    if (isKnown(request.headers['if-none-match'], etag)) {
      response.writeHead(304, headers).end()
      return
    }
    const body = await this.#body(encoding)
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.length,
      ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
    })
    response.end(body)
  }

  get #page(): Page {
    this.#rendered ??= render()
    return this.#rendered
  }

  #body(encoding: Encoding): Promise<Buffer> {
    const known = this.#bodies.get(encoding)
    if (known) return known
    const body = compress[encoding](this.#page.html)
    this.#bodies.set(encoding, body)
    return body
  }
}
