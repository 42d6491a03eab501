import type { GraphQLSchema } from 'graphql'
import { GraphQLError } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Registry } from 'prom-client'
import type { Logger } from '../platform/logger.ts'
import { type Context, createContext, type Ports } from '../resolvers/context.ts'
import { limitPlugins, maxBodyBytes } from './limits.ts'
import { maskError, withCode } from './mask-error.ts'
import { operationMetrics } from './operation-metrics.ts'
import { resolverMetrics } from './resolver-metrics.ts'

export const graphqlPath = '/graphql'

export type GraphQLHandler = YogaServerInstance<object, Context>

export interface GraphQLOptions {
  readonly schema: GraphQLSchema
  readonly ports: Ports
  readonly log: Logger
  readonly registry: Registry
}

/**
 * The one pipeline for operations: its context, limits, errors and metrics hold on HTTP, on SSE (both served by Yoga), and on
 * WebSocket, which takes the same pipeline by `getEnveloped`. So they are all written as hooks of the operation's own steps,
 * never of the HTTP request.
 */
export function createGraphQL({ schema, ports, log, registry }: GraphQLOptions): GraphQLHandler {
  return createYoga<object, Context>({
    schema,
    graphqlEndpoint: graphqlPath,
    context: () => createContext(ports),
    graphiql: false,
    landingPage: false,
    multipart: false,
    maxRequestBodySize: maxBodyBytes,
    logging: false,
    maskedErrors: { errorMessage: '', maskError: (error) => maskError(error, log) },
    plugins: [resolverMetrics(registry), operationMetrics(registry), errorCodes(), ...limitPlugins()],
  })
}

/** Errors of parsing and validation pass no masking: they get their code here. */
const errorCodes = (): Plugin => ({
  onParse() {
    return ({ result }) => {
      if (result instanceof GraphQLError) withCode(result)
    }
  },
  onValidate() {
    return ({ result }) => {
      for (const error of result) if (error instanceof GraphQLError) withCode(error)
    }
  },
})
