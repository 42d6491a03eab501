import type { IncomingMessage, ServerResponse } from 'node:http'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { exampleOperations } from './example-operations.ts'

/** GraphiQL in one page that needs no other host. Compressed once, when it is first asked for. */
export class GraphiQLPage {
  readonly #html = renderGraphiQL({
    title: 'Finstage',
    defaultQuery: exampleOperations,
    subscriptionsProtocol: 'WS',
  })
  readonly #bodies = new Map<string, Buffer>()

  static isWanted(request: IncomingMessage): boolean {
    return (
      request.method === 'GET' &&
      (request.headers.accept ?? '').includes('text/html') &&
      !request.url?.includes('query=')
    )
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const accepted = (request.headers['accept-encoding'] ?? '').toString()
    const encoding = accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : 'identity'
    const body = this.#body(encoding)
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.length,
      vary: 'accept, accept-encoding',
      ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
    })
    response.end(body)
  }

  #body(encoding: string): Buffer {
    const known = this.#bodies.get(encoding)
    if (known) return known
    const html = Buffer.from(String(this.#html))
    const body =
      encoding === 'br'
        ? brotliCompressSync(html, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } })
        : encoding === 'gzip'
          ? gzipSync(html)
          : html
    this.#bodies.set(encoding, body)
    return body
  }
}
