import type { IncomingMessage } from 'node:http'
import { type DocumentNode, type ExecutionResult, getOperationAST } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Context } from '../../resolvers/context.ts'
import { varyOf } from '../access/front-door.ts'
import { acceptedEncoding, encode, leastBytes } from '../answers/encoding.ts'
import { cacheControlOf, entityTag, isKnown } from '../answers/revalidation.ts'
import { describeOperation } from './operation-metrics.ts'

/** What Yoga adds to the context of an operation that came over HTTP. */
interface OverHttp {
  readonly req?: IncomingMessage
}

interface Execution {
  readonly document: DocumentNode
  readonly operationName?: string | null | undefined
  readonly contextValue?: unknown
}

/**
 * Compresses what Yoga answers, and lets caches keep and revalidate queries by GET. Event streams pass as they are:
 * compressed, their events would wait for each other.
 */
export function yogaAnswers(): Plugin {
  /** The Cache-Control of operations by GET that were executed without an error. */
  const cacheControls = new WeakMap<IncomingMessage, string>()
  return {
    onExecute({ args }) {
      const { req } = args.contextValue as OverHttp
      if (req?.method !== 'GET') return
      return {
        onExecuteDone({ result }) {
          if (!(result as ExecutionResult).errors) cacheControls.set(req, cacheControl(args))
        },
      }
    },

    async onResponse({ response, serverContext, setResponse, fetchAPI }) {
      const { req } = serverContext as OverHttp
      const mediaType = response.headers.get('content-type')
      if (!req || !mediaType?.startsWith('application/')) return
      const isPost = req.method === 'POST'
      const isLong = Number(response.headers.get('content-length')) >= leastBytes
      if (isPost && !isLong) return
      const text = await response.text()
      const encoding = isLong ? acceptedEncoding(req.headers['accept-encoding']) : 'identity'
      const headers: Record<string, string> = { vary: varyOf(req) }
      response.headers.forEach((value, name) => {
        headers[name.toLowerCase()] = value
      })
      if (!isPost) {
        const cacheControl = response.status === 200 ? cacheControls.get(req) : undefined
        headers['cache-control'] = cacheControl ?? 'no-store'
        if (cacheControl !== undefined) {
          const tag = entityTag(text, mediaType, encoding)
          headers.etag = tag
          if (req.headers.origin !== undefined) headers['access-control-expose-headers'] = 'ETag'
          if (isKnown(req.headers['if-none-match'], tag)) {
            const { 'content-type': _type, 'content-length': _length, ...kept } = headers
            setResponse(new fetchAPI.Response(null, { status: 304, headers: kept }))
            return
          }
        }
      }
      let body: string | Buffer<ArrayBuffer> = text
      if (encoding !== 'identity') {
        body = await encode(Buffer.from(text), encoding)
        headers['content-length'] = String(body.length)
        headers['content-encoding'] = encoding
      }
      const { status, statusText } = response
      setResponse(new fetchAPI.Response(body, { status, statusText, headers }))
    },
  }
}

function cacheControl({ document, operationName, contextValue }: Execution): string {
  const node = getOperationAST(document, operationName)
  return cacheControlOf(node ? describeOperation(document, node).name : undefined, contextValue as Context)
}
