import type { IncomingMessage } from 'node:http'
import type { GraphQLSchema } from 'graphql'
import type { Registry } from 'prom-client'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Ports } from '../../resolvers/context.ts'
import { ClientAddresses } from '../access/client-address.ts'
import { type AccessSettings, FrontDoor } from '../access/front-door.ts'
import { LiveConnections, type LiveLimits } from '../connections/limits.ts'
import { LiveMetrics } from '../connections/metrics.ts'
import { WriteSchedule } from '../connections/socket-writer.ts'
import { createGraphQL, graphqlPath } from '../pipeline/graphql.ts'
import { servePost } from '../pipeline/json-post.ts'
import { maskError } from '../pipeline/mask-error.ts'
import type { PriceSettings } from '../pipeline/price/price-settings.ts'
import type { StandingBound } from '../pipeline/price/standing-points.ts'
import { GetQueries } from '../pipeline/query-get.ts'
import { SharedSubscriptions } from '../sharing/subscriptions.ts'
import { EventStreams } from '../sse/event-streams.ts'
import { WebSocketTransport } from '../websocket/endpoint.ts'
import { GraphiQLPage } from './graphiql.ts'
import type { Health } from './health.ts'
import { HttpTraffic } from './http-traffic.ts'
import { Listener } from './listener.ts'

/** Serves GraphQL over HTTP, SSE and WebSocket, GraphiQL and health, on one port. */
export class ApiServer {
  readonly #listener: Listener
  readonly #webSockets: WebSocketTransport

  constructor(options: {
    host: string
    port: number
    schema: GraphQLSchema
    ports: Ports
    health: Health
    log: Logger
    registry: Registry
    fallbacks: LibraryFallbacks
    price: PriceSettings
    limits: LiveLimits
    access: AccessSettings & {
      /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
      readonly trustedProxies: readonly string[]
    }
  }) {
    const { host, port, schema, ports, health, log, registry, fallbacks, price, limits, access } = options
    const frontDoor = new FrontDoor({ ...access, host, registry })
    const addresses = new ClientAddresses(access.trustedProxies)
    const connections = new LiveConnections(limits, { countsLoopback: addresses.hasProxies })
    const metrics = new LiveMetrics({
      registry,
      connections: () => connections.count,
      unsentBytes: () => this.#webSockets.unsentBytes + eventStreams.unsentBytes,
      executions: () => shared.size,
      webSockets: () => this.#webSockets.count,
      eventStreams: () => eventStreams.count,
      maxConnections: limits.maxConnections,
    })
    const schedule = new WriteSchedule(metrics, fallbacks)
    const eventStreams = new EventStreams({ connections, addresses, metrics, schedule })
    const plugins = [eventStreams.plugin()]
    const exceeded = (bound: StandingBound): void => metrics.refused(bound)
    const graphql = createGraphQL({ schema, ports, log, registry, addresses, price, plugins, exceeded })
    const shared = new SharedSubscriptions({
      mask: (error) => maskError(error, log),
      executed: ({ priced }) => {
        metrics.executed()
        priced?.countEvent()
      },
      compiled: graphql.compiled,
    })
    shared.register(registry)
    eventStreams.share({ graphql, shared })
    const queries = new GetQueries(graphql)
    queries.register(registry)
    const page = new GraphiQLPage()
    const traffic = new HttpTraffic()
    this.#listener = new Listener({
      host,
      port,
      maxConnections: limits.maxTcpConnections,
      onRefused: () => metrics.refused('tcp_connections'),
      traffic,
      serve(request, response) {
        if (!frontDoor.admits(request, response)) return
        const path = pathOf(request)
        if (path === graphqlPath) {
          if (GraphiQLPage.isWanted(request)) void page.serve(request, response)
          else if (frontDoor.admitsOperation(request, response)) {
            if (request.method === 'GET') queries.serve(request, response)
            else servePost(graphql, request, response)
          }
        } else if (path === '/') {
          response.writeHead(302, { location: graphqlPath }).end()
        } else if (!health.serve(request, response, { tellsReasons: false })) {
          response
            .writeHead(404, { 'content-type': 'text/plain' })
            .end(`Nothing is here. GraphQL is at ${graphqlPath}\n`)
        }
      },
    })
    traffic.register(registry, this.#listener, limits.maxTcpConnections)
    this.#webSockets = new WebSocketTransport({
      graphql,
      log,
      limits,
      connections,
      frontDoor,
      addresses,
      metrics,
      schedule,
      shared,
      server: this.#listener.server,
    })
  }

  get origin(): string {
    return this.#listener.origin
  }

  start(): Promise<void> {
    return this.#listener.start()
  }

  /** For `drainMs`, ends each connection with its next answer. Then takes no more connections. */
  stopAccepting(options: { drainMs: number }): Promise<void> {
    return this.#listener.stopAccepting(options)
  }

  /** Closes every WebSocket with 1001. */
  closeSockets(): Promise<void> {
    return this.#webSockets.stop()
  }

  /** Waits for the requests that have begun. Streams over SSE are among them: end those first. */
  stop(): Promise<void> {
    return this.#listener.stop()
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}
