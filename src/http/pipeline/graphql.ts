import { type ExecutionResult, GraphQLError, type GraphQLSchema, execute as interpretOperation } from 'graphql'
import { createYoga, isPromise, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Registry } from 'prom-client'
import type { Logger } from '../../platform/logger.ts'
import { type Context, createContext, type Ports } from '../../resolvers/context.ts'
import { CompiledOperations } from './compiled-operations.ts'
import { interpreter } from './interpreter.ts'
import { boundedErrors, limitPlugins, maxBodyBytes } from './limits.ts'
import { maskError, withCode } from './mask-error.ts'
import { OperationMetrics } from './operation-metrics.ts'
import { PreparedDocuments, type PreparedOperation } from './prepared-documents.ts'
import { measureResolvers, unmeasured } from './resolver-metrics.ts'

export const graphqlPath = '/graphql'

export type GraphQLHandler = YogaServerInstance<object, Context>

export interface GraphQLOptions {
  readonly schema: GraphQLSchema
  readonly ports: Ports
  readonly log: Logger
  readonly registry: Registry
  /** What a transport adds to the steps that the others do not go through. */
  readonly plugins?: readonly Plugin[]
}

type MaybePromise = ExecutionResult | Promise<ExecutionResult>

export interface GraphQL {
  /** Serves every request there may be, over HTTP and SSE; WebSocket takes its pipeline by `getEnveloped`. */
  readonly yoga: GraphQLHandler
  /** What has been through the pipeline's first steps, on any transport. */
  readonly documents: PreparedDocuments
  readonly compiled: CompiledOperations
  /**
   * The pipeline's other steps for an operation that has been through the first: what Yoga's hooks would do one by one, at a
   * tenth of the cost.
   */
  execute(operation: PreparedOperation, request: OperationRequest): MaybePromise
  /** The result of an operation that has come to nothing. */
  failed(error: unknown): ExecutionResult
}

export interface OperationRequest {
  readonly operationName?: string | null
  readonly variables?: Record<string, unknown> | null
}

/**
 * The one pipeline for operations: its context, limits, errors and metrics hold on every transport. So they are all written as
 * hooks of the operation's own steps (parse, validate, execute, subscribe), never of the HTTP request. What hooks into context
 * or execution has its place in `execute` too.
 */
export function createGraphQL({ schema, ports, log, registry, plugins = [] }: GraphQLOptions): GraphQL {
  const documents = new PreparedDocuments()
  const compiled = new CompiledOperations(schema)
  const metrics = new OperationMetrics(registry)
  const measured = measureResolvers(schema, registry)
  const newContext = (): Context => Object.assign(createContext(ports), measured)
  const mask = (error: unknown): GraphQLError => maskError(error, log)

  const yoga = createYoga<object, Context>({
    schema,
    graphqlEndpoint: graphqlPath,
    context: newContext,
    graphiql: false,
    landingPage: false,
    multipart: false,
    // access/front-door.ts answers for other origins, on every way.
    cors: false,
    maxRequestBodySize: maxBodyBytes,
    logging: false,
    maskedErrors: { errorMessage: '', maskError: mask },
    // Syntax errors are not kept: one that is thrown again out of the cache would be counted nowhere.
    // Documents are kept once they are found valid, by a plugin of their own.
    parserAndValidationCache: {
      documentCache: { get: (text) => documents.get(text), set() {} },
      errorCache: { get: () => undefined, set() {} },
    },
    plugins: [
      interpreter(),
      metrics.plugin(),
      unreadableRequests(),
      errorCodes(),
      documents.plugin(),
      ...limitPlugins(),
      ...plugins,
    ],
  })

  const interpret = ({ document }: PreparedOperation, request: OperationRequest, contextValue: Context): MaybePromise =>
    interpretOperation({
      schema,
      document,
      contextValue,
      variableValues: request.variables ?? null,
      operationName: request.operationName ?? null,
    })

  function run(operation: PreparedOperation, request: OperationRequest): MaybePromise {
    const context = newContext()
    const asCompiled = compiled.find(operation)
    if (!asCompiled) return interpret(operation, request, context)
    // Errors are the interpreter's to tell. It takes what is loaded by now, counts anew, and is not measured again.
    const settled = (result: ExecutionResult): MaybePromise => {
      if (!result.errors) return result
      return interpret(operation, request, Object.assign(newContext(), { loaders: context.loaders }, unmeasured))
    }
    const result = asCompiled(undefined, context, request.variables ?? {})
    return isPromise(result) ? result.then(settled) : settled(result)
  }

  function execute(operation: PreparedOperation, request: OperationRequest): MaybePromise {
    const startedMs = performance.now()
    const answered = (result: ExecutionResult): ExecutionResult => {
      metrics.answered(operation.description, startedMs, result)
      return result.errors ? { ...result, errors: boundedErrors(result.errors).map(mask) } : result
    }
    const result = run(operation, request)
    return isPromise(result) ? result.then(answered) : answered(result)
  }

  const failed = (error: unknown): ExecutionResult => ({ errors: [mask(error)] })

  return { yoga, documents, compiled, execute, failed }
}

/** A request that can't be read is a mistake of its client, who is told in our words: those of JSON.parse show what was sent. */
const unreadableRequests = (): Plugin => ({
  onRequestParse({ requestParser, setRequestParser }) {
    if (!requestParser) return
    setRequestParser(async (request) => {
      try {
        return await requestParser(request)
      } catch (error) {
        if (error instanceof GraphQLError && error.extensions.originalError === undefined) throw error
        const message =
          request.method === 'GET' ? 'variables and extensions have to be JSON' : 'The body has to be JSON'
        throw new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } } })
      }
    })
  },
})

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
