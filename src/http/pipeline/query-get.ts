import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { LRUCache } from 'lru-cache'
import { joined, type UnjoinedJson, unjoinedJson } from '../../resolvers/written-list.ts'
import { acceptedEncoding, leastBytes } from '../answers/encoding.ts'
import { cacheControlOf, entityTag, isKnown } from '../answers/revalidation.ts'
import { type GraphQL, graphqlPath } from './graphql.ts'
import {
  execute,
  leaveToYoga,
  type MediaType,
  mediaTypeOf,
  plainAnswer,
  type Ready,
  readyOperation,
  sendBody,
  tellReaders,
} from './json-post.ts'

type Parameters = Readonly<Record<string, unknown>>

/** Of the addresses that are kept, by estimate. */
const maxAddressBytes = 8 * 1024 * 1024
/** An address, its query and its variables. */
const bytesPerCharacter = 10

/**
 * The short way for queries by GET whose document the pipeline has found valid before. It answers as Yoga does with
 * `yogaAnswers`, and puts an answer together only if its client does not have it yet. Yoga answers every other request.
 */
export class GetQueries {
  readonly #graphql: GraphQL
  /** What was read from an address. Clients that revalidate an answer repeat its address. */
  readonly #addresses = new LRUCache<string, Parameters>({
    maxSize: maxAddressBytes,
    sizeCalculation: (_parameters, { length }) => 500 + bytesPerCharacter * length,
  })

  constructor(graphql: GraphQL) {
    this.#graphql = graphql
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const graphql = this.#graphql
    const ready = this.#ready(request)
    const mediaType = ready && mediaTypeOf(request.headers.accept)
    if (!ready || !mediaType) {
      leaveToYoga(graphql, request, response)
      return
    }
    const context = graphql.newContext()
    const send = (result: ExecutionResult): void | Promise<void> =>
      answer(request, response, mediaType, result, cacheControlOf(ready.operation.description.name, context))
    execute(graphql, ready, send, context)
  }

  #ready({ url = '', headers }: IncomingMessage): Ready | undefined {
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return undefined
    const known = this.#addresses.get(url)
    const parameters = known ?? parametersOf(url)
    const ready = readyOperation(this.#graphql, parameters)
    if (ready?.operation.description.kind !== 'query') return undefined
    if (!known && parameters) this.#addresses.set(url, parameters)
    return ready
  }
}

const start = `${graphqlPath}?`

/** The parameters of an address as the body of a POST would have them. undefined: Yoga reads them. */
function parametersOf(url: string): Parameters | undefined {
  if (!url.startsWith(start) || url.includes('#')) return undefined
  const parameters: Record<string, unknown> = {}
  try {
    for (const [name, text] of new URLSearchParams(url.slice(start.length))) {
      if (name in parameters) return undefined
      const isJson = name === 'variables' || name === 'extensions'
      parameters[name] = text === '' ? null : isJson ? JSON.parse(text) : text
    }
  } catch {
    return undefined
  }
  return parameters
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  mediaType: MediaType,
  result: ExecutionResult,
  cacheControl: string,
): void | Promise<void> {
  const { headers } = request
  const failed = result.errors && plainAnswer(result, mediaType)
  const json = failed ? { texts: [failed.body], lists: [] } : unjoinedJson(result)
  const bytes = bytesOf(json)
  const encoding = bytes < leastBytes ? 'identity' : acceptedEncoding(headers['accept-encoding'])
  const contentType = `${mediaType}; charset=utf-8`
  const fields = ['cache-control', failed ? 'no-store' : cacheControl]
  tellReaders(fields, request, true)
  if (!failed) {
    const tag = entityTag(json, contentType, encoding)
    fields.push('etag', tag)
    if (headers.origin !== undefined) fields.push('access-control-expose-headers', 'ETag')
    if (isKnown(headers['if-none-match'], tag)) {
      response.writeHead(304, fields).end()
      return
    }
  }
  const ofBody = ['content-length', String(bytes)]
  const others = failed?.headers ?? { 'content-type': contentType }
  for (const name in others) ofBody.push(name, others[name] ?? '')
  return sendBody(response, failed?.status ?? 200, [...ofBody, ...fields], joined(json), bytes, encoding)
}

function bytesOf({ texts, lists }: UnjoinedJson): number {
  let bytes = 0
  for (const text of texts) bytes += Buffer.byteLength(text)
  for (const list of lists) bytes += list.bytes
  return bytes
}
