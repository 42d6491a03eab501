import type { Server } from 'node:http'
import type { ExecutionArgs, GraphQLError } from 'graphql'
import type { OperationResult, SubscribePayload } from 'graphql-ws'
import { type Extra, useServer } from 'graphql-ws/use/ws'
import { Gauge, type Registry } from 'prom-client'
import { WebSocketServer } from 'ws'
import type { Logger } from '../platform/logger.ts'
import { type GraphQLHandler, graphqlPath } from './graphql.ts'
import { maxMessageBytes } from './limits.ts'
import { maskError } from './mask-error.ts'

const closeTimeoutMs = 3000

/** What Yoga's pipeline gives for one operation. */
interface Enveloped {
  schema: ExecutionArgs['schema']
  parse: (source: string) => ExecutionArgs['document']
  validate: (schema: unknown, document: unknown) => readonly GraphQLError[]
  contextFactory: () => unknown
  execute: (args: ExecutionArgs) => OperationResult
  subscribe: (args: ExecutionArgs) => OperationResult
}

/** Operations over graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), through Yoga's pipeline. */
export class WebSocketTransport {
  readonly #sockets: WebSocketServer
  readonly #protocol: { dispose: () => void | Promise<void> }

  constructor(options: { server: Server; graphql: GraphQLHandler; log: Logger; registry: Registry }) {
    const { server, graphql, log, registry } = options
    this.#sockets = new WebSocketServer({
      server,
      path: graphqlPath,
      maxPayload: maxMessageBytes,
      // 43 microseconds a message and 219 KB a connection: more than all the rest.
      perMessageDeflate: false,
    })
    // The HTTP server reports its own errors, which ws passes on.
    this.#sockets.on('error', () => {})
    const { clients } = this.#sockets
    new Gauge({
      name: 'finstage_websocket_connections',
      help: 'WebSockets that are open',
      registers: [registry],
      collect() {
        this.set(clients.size)
      },
    })
    this.#protocol = useServer(
      {
        onSubscribe: (context, _id, payload) => prepare(graphql, context.extra, payload, log),
        execute: (args) => (args as PreparedArgs).rootValue.execute(args),
        subscribe: (args) => (args as PreparedArgs).rootValue.subscribe(args),
      },
      this.#sockets,
    )
  }

  /** Closes every socket with 1001 (going away); cuts those whose client has not answered after three seconds. */
  async stop(): Promise<void> {
    const deadline = setTimeout(() => {
      for (const client of this.#sockets.clients) client.terminate()
    }, closeTimeoutMs)
    await this.#protocol.dispose()
    clearTimeout(deadline)
  }
}

type PreparedArgs = Omit<ExecutionArgs, 'rootValue'> & { rootValue: Pick<Enveloped, 'execute' | 'subscribe'> }

async function prepare(
  graphql: GraphQLHandler,
  { request, socket }: Extra,
  payload: SubscribePayload,
  log: Logger,
): Promise<PreparedArgs | readonly GraphQLError[]> {
  const enveloped = graphql.getEnveloped({ req: request, socket, params: payload }) as unknown as Enveloped
  const { schema, parse, validate, contextFactory, execute, subscribe } = enveloped
  try {
    const document = parse(payload.query)
    const errors = validate(schema, document)
    if (errors.length > 0) return errors
    return {
      schema,
      document,
      ...(payload.operationName == null ? {} : { operationName: payload.operationName }),
      ...(payload.variables == null ? {} : { variableValues: payload.variables }),
      contextValue: await contextFactory(),
      rootValue: { execute, subscribe },
    }
  } catch (error) {
    return [maskError(error, log)]
  }
}
