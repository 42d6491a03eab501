import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { type FetchAPI, isPromise, processRegularResult } from 'graphql-yoga'
import type { Context } from '../../resolvers/context.ts'
import { leave, longAnswers, roomForBytes } from '../../resolvers/rows.ts'
import { bytesOf, joined, partsOf, type UnjoinedJson, unjoinedJson } from '../../resolvers/written-list.ts'
import { tellOrigin, varyOf } from '../access/front-door.ts'
import { acceptedEncoding, encode, leastBytes } from '../answers/encoding.ts'
import { bytesInTurns, encodedInTurns, isLong, lengthOf, writeInTurns } from '../answers/long-answer.ts'
import { endReusing, leastReusing } from '../answers/reused-buffers.ts'
import { type GraphQL, graphqlPath, type OperationRequest } from './graphql.ts'
import { maxBodyBytes } from './limits.ts'
import type { PreparedOperation } from './prepared-documents.ts'
import { costHeader } from './pricing.ts'

export type MediaType = 'application/json' | 'application/graphql-response+json'

/**
 * A client that takes nothing of a long answer for this long is cut, or after twice as long: Node looks only that often
 * whether bytes have left. Others may wait for the room that it takes.
 */
const stalledTimeoutMs = 15_000

export interface Ready {
  readonly operation: PreparedOperation
  readonly request: OperationRequest
}

/**
 * The short way for nearly all requests: an operation as JSON by POST whose document the pipeline has found valid
 * before. It answers as Yoga does, without the objects that Yoga creates for a request. Yoga answers every other
 * request, invalid ones included, and gets it as it came.
 */
export function servePost(graphql: GraphQL, request: IncomingMessage, response: ServerResponse): void {
  const length = plainLength(request)
  const mediaType = length > 0 ? mediaTypeOf(request.headers.accept) : undefined
  if (!mediaType) {
    leaveToYoga(graphql, request, response)
    return
  }

  const chunks: Buffer[] = []
  let received = 0
  const read = (): void => {
    const chunk = request.read() as Buffer | null
    if (!chunk) return
    chunks.push(chunk)
    received += chunk.length
    if (received < length) return
    request.removeListener('readable', read)
    const body = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    const ready = readyOperation(graphql, parsed(body))
    if (!ready) {
      request.unshift(body)
      leaveToYoga(graphql, request, response)
      return
    }
    const context = graphql.newContext()
    execute(graphql, ready, response, context, (result) => answer(request, response, context, mediaType, result))
  }
  request.on('readable', read)
}

export function leaveToYoga(graphql: GraphQL, request: IncomingMessage, response: ServerResponse): void {
  tellOrigin(request, response)
  void graphql.yoga(request, response)
}

/**
 * Sends the result of an operation, or what there is to say if its execution or the sending has failed. The work of a
 * query ends if the client goes.
 */
export function execute(
  graphql: GraphQL,
  { operation, request }: Ready,
  response: ServerResponse,
  context: Context,
  send: (result: ExecutionResult) => void | Promise<void>,
): void {
  const fail = (error: unknown): void | Promise<void> => send(graphql.failed(error))
  context.caller = graphql.callerOf(response.req)
  context.tellsCost = response.req.headers[costHeader] === '1'
  context.takesRoom = true
  const whenClosed = (): void => {
    graphql.dropped(context)
    leave(context, { isQuery: operation.description.kind === 'query' })
  }
  let isOpen = false
  const untilClosed = (promise: Promise<unknown>): void => {
    isOpen = true
    response.once('close', whenClosed)
    promise.catch(fail)
  }
  try {
    const result = graphql.execute(operation, request, context)
    const sent = isPromise(result) ? result.then(send) : send(result)
    if (isPromise(sent)) untilClosed(sent)
  } catch (error) {
    fail(error)
  } finally {
    if (!isOpen && longAnswers.holds(context.caller)) whenClosed()
  }
}

/**
 * Bytes of the body if the request is one for the short way; else 0. Its content type is JSON: the front door refuses
 * others.
 */
function plainLength({ method, url, headers }: IncomingMessage): number {
  if (method !== 'POST' || url !== graphqlPath) return 0
  const length = headers['content-length'] ?? ''
  return /^\d+$/.test(length) && Number(length) <= maxBodyBytes ? Number(length) : 0
}

/** The media type that Yoga would choose for a plain result. undefined: Yoga decides. */
export function mediaTypeOf(accept: string | undefined): MediaType | undefined {
  if (!accept || accept === '*/*' || accept === 'application/json') return 'application/json'
  for (const part of accept.toLowerCase().split(',')) {
    const [type, ...parameters] = part.replace(/\s/g, '').split(';')
    if (parameters.some((parameter) => parameter.includes('charset='))) return undefined
    if (type === 'application/graphql-response+json') return type
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'application/json'
    if (type?.includes('*')) return undefined
  }
  return undefined
}

const isMissing = (value: unknown): boolean => value === undefined || value === null
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const parameterNames: ReadonlySet<string> = new Set(['query', 'operationName', 'variables', 'extensions'])

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** The operation that a request asks for by these parameters; undefined: Yoga answers it. */
export function readyOperation(graphql: GraphQL, parameters: unknown): Ready | undefined {
  if (!isObject(parameters)) return undefined
  for (const name in parameters) if (!parameterNames.has(name)) return undefined
  const { query, variables, extensions } = parameters
  if (typeof query !== 'string') return undefined
  if (!isMissing(variables) && !isObject(variables)) return undefined
  if (!isMissing(extensions) && !isObject(extensions)) return undefined
  const request = parameters as OperationRequest
  const operation = graphql.documents.operation(query, request.operationName ?? null)
  return operation && { operation, request }
}

/** Stands in for the Response that Yoga creates. */
class Answer {
  /** Not joined yet if the result may hold written lists. */
  readonly body: string | UnjoinedJson
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(body: string | UnjoinedJson, { status, headers }: { status: number; headers: Record<string, string> }) {
    this.body = body
    this.status = status
    this.headers = headers
  }
}
/** Relies on Yoga making nothing but this Response of a plain result; http-equivalence.test.ts notices if it makes more. */
const answerAPI = { Response: Answer } as unknown as FetchAPI

/** `extra`: header fields beside those that every answer has. `made`: the JSON of the result, if it was made already. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  mediaType: MediaType,
  result: ExecutionResult,
  extra: readonly string[] = [],
  made?: UnjoinedJson,
): void | Promise<void> {
  // Yoga writes a result by its own `stringify`.
  if ('stringify' in result) result.stringify = made ? () => made : unjoinedJson
  const { body, status, headers } = processRegularResult(result, answerAPI, mediaType) as unknown as Answer
  const { origin } = request.headers
  const fields = ['content-length', '']
  for (const name in headers) fields.push(name, headers[name] ?? '')
  fields.push(...extra)
  // As tellOrigin does, which would cost a fifth of the request: it sets headers one by one.
  if (origin !== undefined) fields.push('access-control-allow-origin', origin)
  if (typeof body !== 'string' && isLong(body)) return answerLong(request, response, context, status, fields, body)
  const json = typeof body === 'string' ? { texts: [body], lists: [] } : body
  const bytes = bytesOf(json)
  fields[1] = String(bytes)
  const isEncodable = bytes >= leastBytes
  if (isEncodable || request.method === 'GET') fields.push('vary', varyOf(request))
  else if (origin !== undefined) fields.push('vary', 'Origin')
  const encoding = isEncodable ? acceptedEncoding(request.headers['accept-encoding']) : 'identity'
  if (encoding === 'identity') {
    response.writeHead(status, fields)
    if (bytes >= leastReusing && endReusing(response, partsOf(json), bytes)) return
    const text = joined(json)
    // Where all characters are ASCII, both encodings give the same bytes, and this one is much faster to write.
    response.end(text, bytes === text.length ? 'latin1' : 'utf8')
    return
  }
  const send = (encoded: Uint8Array): void => {
    fields[1] = String(encoded.length)
    response.writeHead(status, [...fields, 'content-encoding', encoding]).end(encoded)
  }
  const encoded = encode(Buffer.from(joined(json)), encoding)
  return isPromise(encoded) ? encoded.then(send) : send(encoded)
}

/** `fields`: the header fields that do not depend on the encoding; content-length is the first. */
async function answerLong(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  status: number,
  fields: string[],
  json: UnjoinedJson,
): Promise<void> {
  const { caller } = context
  const encoding = acceptedEncoding(request.headers['accept-encoding'])
  await roomForBytes(context, lengthOf(json))
  const bytes = await encodedInTurns(await bytesInTurns(partsOf(json), caller), encoding, caller)
  longAnswers.resize(caller, bytes.length)
  fields[1] = String(bytes.length)
  fields.push('vary', varyOf(request))
  if (encoding !== 'identity') fields.push('content-encoding', encoding)
  response.writeHead(status, fields)
  response.setTimeout(stalledTimeoutMs)
  await writeInTurns(response, bytes, caller)
}
