import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Counter, type Registry } from 'prom-client'
import type { ErrorCode } from '../../domain/errors.ts'
import { AllowedHosts } from './allowed-hosts.ts'
import { AllowedOrigins } from './allowed-origins.ts'

/** How long a browser may cache the answer to a preflight: Chromium's maximum. */
const preflightSeconds = 7200

export interface AccessSettings {
  /** Host names in addition to those of loopback and the one that the server listens on. */
  readonly allowedHosts: readonly string[]
  /** undefined: the server's own origin, and those of loopback if it listens there. */
  readonly allowedOrigins: readonly string[] | undefined
}

export interface Refusal {
  readonly reason: 'host' | 'origin' | 'content_type'
  readonly status: 403 | 415 | 421
  readonly code: ErrorCode
  readonly message: string
}

export const unknownHost = 'This server does not go by the name in the Host header: add it to ALLOWED_HOSTS if it is to'

const refusals = {
  host: {
    reason: 'host',
    status: 421,
    code: 'FORBIDDEN',
    message: unknownHost,
  },
  origin: {
    reason: 'origin',
    status: 403,
    code: 'FORBIDDEN',
    message: 'Pages of this origin may not use this server: add it to ALLOWED_ORIGINS if they are to',
  },
  crossSite: {
    reason: 'origin',
    status: 403,
    code: 'FORBIDDEN',
    message: 'Requests from pages of other sites must carry an Origin header (CORS)',
  },
  contentType: {
    reason: 'content_type',
    status: 415,
    code: 'BAD_USER_INPUT',
    message: 'A POST has to have the content type application/json',
  },
  charset: {
    reason: 'content_type',
    status: 415,
    code: 'BAD_USER_INPUT',
    message: 'A body has to be in UTF-8: send it so, with charset=utf-8 or without a charset',
  },
  contentEncoding: {
    reason: 'content_type',
    status: 415,
    code: 'BAD_USER_INPUT',
    message: 'Compressed bodies are not read: send it without Content-Encoding',
  },
} as const satisfies Record<string, Refusal>

/**
 * Decides which requests of browsers are served: pages of other websites may not use this server. Clients that are no
 * browsers pass: they send neither Origin nor Sec-Fetch-Site.
 *
 * Three rules work together:
 * - A request for another Host is refused, on every path.
 * - A request of an Origin that is not allowed is refused wherever operations are served.
 * - A request that a browser sends without a preflight, and perhaps without an Origin, can change nothing: a POST must
 *   be JSON, which takes a preflight, and Sec-Fetch-Site tells of a GET that another site makes.
 */
export class FrontDoor {
  readonly #hosts: AllowedHosts
  readonly #origins: AllowedOrigins
  readonly #refused: Counter<'reason'>

  constructor(options: { host: string; registry: Registry } & AccessSettings) {
    const { host, allowedHosts, allowedOrigins, registry } = options
    this.#hosts = new AllowedHosts({ host, names: allowedHosts })
    this.#origins = new AllowedOrigins({ host, named: allowedOrigins })
    this.#refused = new Counter({
      name: 'finstage_http_refused_total',
      help: 'Requests and WebSockets that were refused for where they came from or what they were, by reason',
      labelNames: ['reason'],
      registers: [registry],
    })
    for (const { reason } of Object.values(refusals)) this.#refused.inc({ reason }, 0)
  }

  /** Returns whether the Host is allowed. If not, the request is answered. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#hosts.has(request.headers.host)) return true
    this.#refuse(response, refusals.host)
    return false
  }

  /**
   * Returns whether a request for an operation is allowed. If not, or if it is a preflight, it is answered. The answer
   * to an allowed request needs the headers of `tellOrigin`.
   */
  admitsOperation(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers, method } = request
    const { origin } = headers
    if (origin !== undefined && !this.#origins.has(origin, headers.host)) return this.#refuse(response, refusals.origin)
    if (method === 'POST') {
      const refusal = refusalOfBody(headers)
      if (refusal) {
        tellOrigin(request, response)
        return this.#refuse(response, refusal)
      }
      // Yoga compares the header letter by letter.
      headers['content-type'] = jsonType
      return true
    }
    if (method === 'OPTIONS') return answerPreflight(request, response)
    if (origin === undefined) {
      const site = headers['sec-fetch-site']
      if (site === 'cross-site' || site === 'same-site') return this.#refuse(response, refusals.crossSite)
    }
    return true
  }

  /** Why a WebSocket is refused; null: it is accepted. */
  refusalOfWebSocket({ headers: { host, origin } }: IncomingMessage): Refusal | null {
    const refusal = !this.#hosts.has(host)
      ? refusals.host
      : origin !== undefined && !this.#origins.has(origin, host)
        ? refusals.origin
        : null
    if (refusal) this.#refused.inc({ reason: refusal.reason })
    return refusal
  }

  #refuse(response: ServerResponse, refusal: Refusal): false {
    this.#refused.inc({ reason: refusal.reason })
    response.writeHead(refusal.status, refusalHeaders).end(bodyOf(refusal))
    return false
  }
}

/** Sets the headers that let the request's origin read the answer. */
export function tellOrigin({ headers: { origin }, method }: IncomingMessage, response: ServerResponse): void {
  if (origin !== undefined) response.setHeader('access-control-allow-origin', origin)
  // Caches keep answers to GET, also answers to requests without an Origin.
  if (origin !== undefined || method !== 'POST') response.setHeader('vary', 'Origin')
}

/** The Vary of an answer that may be compressed. Caches keep none that was asked for by POST. */
export function varyOf({ headers: { origin, 'x-cost': cost }, method }: IncomingMessage): string {
  if (method !== 'POST') return `Origin, Accept, Accept-Encoding${cost === undefined ? '' : ', X-Cost'}`
  return origin === undefined ? 'Accept-Encoding' : 'Origin, Accept-Encoding'
}

export const refusalHeaders = {
  Vary: 'Origin',
  'Cache-Control': 'no-store',
  'Content-Type': 'application/json; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
}

/** A refusal as a GraphQL response. */
export const bodyOf = ({ message, code }: Refusal): string =>
  JSON.stringify({ errors: [{ message, extensions: { code } }] })

const jsonType = 'application/json'

/** JSON is in UTF-8 (RFC 8259, 8.1); ASCII is part of it. */
const charsets: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii'])

/**
 * Why a body is not read; null: it is. Neither the case of a media type and its parameters nor spaces around the
 * semicolon matter (RFC 9110, 8.3.1). No content type that a page may post without a preflight has the type of JSON. A
 * list of types is not JSON.
 */
function refusalOfBody(headers: IncomingHttpHeaders): Refusal | null {
  const header = headers['content-type'] ?? ''
  // Saves nearly every request the parsing.
  if (header !== jsonType) {
    const [type, ...parameters] = header
      .toLowerCase()
      .split(';')
      .map((part) => part.trim())
    if (type !== jsonType || header.includes(',')) return refusals.contentType
    for (const parameter of parameters) {
      const [, charset] = /^charset\s*=\s*"?([^"]*)"?$/.exec(parameter) ?? []
      if (charset !== undefined && !charsets.has(charset)) return refusals.charset
    }
  }
  const encoding = headers['content-encoding']
  return encoding === undefined || /^(identity)?$/i.test(encoding) ? null : refusals.contentEncoding
}

function answerPreflight(request: IncomingMessage, response: ServerResponse): false {
  const asked = request.headers['access-control-request-headers']
  tellOrigin(request, response)
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    ...(asked === undefined ? {} : { 'access-control-allow-headers': asked }),
    'access-control-max-age': String(preflightSeconds),
    vary: 'Origin, Access-Control-Request-Headers',
    allow: 'GET, POST, OPTIONS',
  })
  response.end()
  return false
}
