import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { Registry } from 'prom-client'
import { cacheBytes, seriesOfGauge } from '../../platform/metrics.ts'
import type { Context } from '../../resolvers/context.ts'
import { bytesOf, stringify, unjoinedJson } from '../../resolvers/written-list.ts'
import { varyOf } from '../access/front-door.ts'
import { acceptedEncoding, leastBytes } from '../answers/encoding.ts'
import { isLong } from '../answers/long-answer.ts'
import { cacheControlOf, entityTag, entityTagInTurns, isKnown } from '../answers/revalidation.ts'
import { type GraphQL, graphqlPath } from './graphql.ts'
import { answer, execute, leaveToYoga, type MediaType, mediaTypeOf, type Ready, readyOperation } from './json-post.ts'

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

  register(registry: Registry): void {
    seriesOfGauge(registry, cacheBytes, 'addresses', () => this.#addresses.calculatedSize)
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
      answerQuery(
        request,
        response,
        context,
        mediaType,
        result,
        cacheControlOf(ready.operation.description.name, context),
      )
    execute(graphql, ready, response, context, send)
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

function answerQuery(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  mediaType: MediaType,
  result: ExecutionResult,
  cacheControl: string,
): void | Promise<void> {
  if (result.errors) return answer(request, response, context, mediaType, result, ['cache-control', 'no-store'])
  const { headers } = request
  const json = unjoinedJson(result)
  const isInTurns = isLong(json)
  const encoding = isInTurns || bytesOf(json) >= leastBytes ? acceptedEncoding(headers['accept-encoding']) : 'identity'
  const respond = (tag: string): void | Promise<void> => {
    const fields = ['cache-control', cacheControl, 'etag', tag]
    const { origin } = headers
    if (origin !== undefined) fields.push('access-control-expose-headers', 'ETag')
    if (!isKnown(headers['if-none-match'], tag)) {
      return answer(request, response, context, mediaType, Object.assign(result, { stringify }), fields, json)
    }
    if (origin !== undefined) fields.push('access-control-allow-origin', origin)
    response.writeHead(304, [...fields, 'vary', varyOf(request)]).end()
  }
  const sentAs = `${mediaType}; charset=utf-8`
  if (isInTurns) return entityTagInTurns(json, sentAs, encoding, context.caller).then(respond)
  return respond(entityTag(json, sentAs, encoding))
}
