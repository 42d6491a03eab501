import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, type Registry } from 'prom-client'
import type { ErrorCode } from '../../domain/errors.ts'
import { AllowedHosts } from './allowed-hosts.ts'
import { AllowedOrigins } from './allowed-origins.ts'

/** How long a browser may remember the answer to a preflight: Chromium's own maximum. */
const preflightSeconds = 7200

export interface AccessSettings {
  /** Host names beside those of loopback and the one that the server listens on. */
  readonly allowedHosts: readonly string[]
  /** undefined: the server's own pages, and those of loopback where it listens there. */
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
    message: 'Pages of other sites may ask this server only by requests that name their origin (CORS)',
  },
  contentType: {
    reason: 'content_type',
    status: 415,
    code: 'BAD_USER_INPUT',
    message: 'A POST has to have the content type application/json',
  },
} as const satisfies Record<string, Refusal>

/**
 * Decides which requests of browsers are served: a page of another website may not drive this server. Everything that is not a
 * browser passes, as it sends neither Origin nor Sec-Fetch-Site.
 *
 * Three rules hold together. A Host that is not ours is refused, on every path. An Origin that is not allowed is refused on every
 * way to an operation. What a browser sends without asking first, and perhaps without an Origin, can change nothing: a POST has
 * to be JSON, which makes browsers ask, and a GET that comes from elsewhere is told by Sec-Fetch-Site.
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
  }

  /** Answers a request itself where the server does not go by its Host. Returns whether it may pass. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#hosts.has(request.headers.host)) return true
    this.#refuse(response, refusals.host)
    return false
  }

  /** The same for a request that has an operation executed; answers preflights. What it admits is answered with `tellOrigin`. */
  admitsOperation(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers, method } = request
    const { origin } = headers
    if (origin !== undefined && !this.#origins.has(origin, headers.host)) return this.#refuse(response, refusals.origin)
    if (method === 'POST') {
      if (hasJson(headers['content-type'])) return true
      tellOrigin(request, response)
      return this.#refuse(response, refusals.contentType)
    }
    if (method === 'OPTIONS') return answerPreflight(request, response)
    if (origin === undefined) {
      const site = headers['sec-fetch-site']
      if (site === 'cross-site' || site === 'same-site') return this.#refuse(response, refusals.crossSite)
    }
    return true
  }

  /** Why a WebSocket is not taken on; null: it is. */
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

/** Says whose pages may read the answer to what was admitted. */
export function tellOrigin({ headers: { origin }, method }: IncomingMessage, response: ServerResponse): void {
  if (origin !== undefined) response.setHeader('access-control-allow-origin', origin)
  // Answers to GET are kept by caches, also those that tell of no origin.
  if (origin !== undefined || method !== 'POST') response.setHeader('vary', 'Origin')
}

export const refusalHeaders = {
  Vary: 'Origin',
  'Content-Type': 'application/json; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
}

/** As an answer of GraphQL. */
export const bodyOf = ({ message, code }: Refusal): string =>
  JSON.stringify({ errors: [{ message, extensions: { code } }] })

/** None of the types that a page may post without a preflight has this beginning; a list of types is none. */
const hasJson = (type: string | undefined): boolean =>
  type === 'application/json' || (type?.startsWith('application/json;') === true && !type.includes(','))

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
