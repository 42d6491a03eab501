import type { IncomingMessage } from 'node:http'
import type { GraphQLSchema } from 'graphql'
import type { Registry } from 'prom-client'
import type { Logger } from '../platform/logger.ts'
import type { Ports } from '../resolvers/context.ts'
import { EventStreams } from './event-streams.ts'
import { GraphiQLPage } from './graphiql.ts'
import { createGraphQL, graphqlPath } from './graphql.ts'
import type { Health } from './health.ts'
import { servePost } from './json-post.ts'
import { Listener } from './listener.ts'
import { LiveConnections, type LiveLimits } from './live-limits.ts'
import { LiveMetrics } from './live-metrics.ts'
import { WebSocketTransport } from './websocket.ts'

/** GraphQL over HTTP, SSE and WebSocket, GraphiQL and health, on one port. */
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
    limits: LiveLimits
  }) {
    const { host, port, schema, ports, health, log, registry, limits } = options
    const connections = new LiveConnections(limits)
    const metrics = new LiveMetrics({
      registry,
      connections: () => connections.count,
      unsentBytes: () => this.#webSockets.unsentBytes + eventStreams.unsentBytes,
      executions: () => this.#webSockets.executions,
    })
    const eventStreams = new EventStreams({ connections, metrics })
    const graphql = createGraphQL({ schema, ports, log, registry, plugins: [eventStreams.plugin()] })
    const page = new GraphiQLPage()
    this.#listener = new Listener({
      host,
      port,
      serve(request, response) {
        const path = pathOf(request)
        if (path === graphqlPath) {
          if (GraphiQLPage.isWanted(request)) void page.serve(request, response)
          else servePost(graphql, request, response)
        } else if (path === '/') {
          response.writeHead(302, { location: graphqlPath }).end()
        } else if (!health.serve(request, response)) {
          response
            .writeHead(404, { 'content-type': 'text/plain' })
            .end(`Nothing is here. GraphQL is at ${graphqlPath}\n`)
        }
      },
    })
    this.#webSockets = new WebSocketTransport({
      ...{ graphql, log, limits, connections, metrics },
      server: this.#listener.server,
    })
  }

  get origin(): string {
    return this.#listener.origin
  }

  start(): Promise<void> {
    return this.#listener.start()
  }

  stopAccepting(): void {
    this.#listener.stopAccepting()
  }

  /** Closes every WebSocket with 1001. */
  closeSockets(): Promise<void> {
    return this.#webSockets.stop()
  }

  /** Waits for the requests that were begun. Streams over SSE are among them: they have to be ended before. */
  stop(): Promise<void> {
    return this.#listener.stop()
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}
