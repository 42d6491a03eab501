import type { IncomingMessage } from 'node:http'
import { type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql'
import { createYoga, isPromise, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Registry } from 'prom-client'
import type { Interval } from '../../domain/time/interval.ts'
import { type Caller, workKinds } from '../../platform/concurrency/event-loop-turns.ts'
import { Histogram } from '../../platform/histogram.ts'
import type { Logger } from '../../platform/logger.ts'
import { cacheBytes, gaugeOf, saturation, seriesOfGauge } from '../../platform/metrics.ts'
import { type Context, createContext, type Ports } from '../../resolvers/context.ts'
import { longAnswers, turns } from '../../resolvers/rows.ts'
import { stringify } from '../../resolvers/written-list.ts'
import { ClientAddresses } from '../access/client-address.ts'
import { CompiledOperations } from './compiled-operations.ts'
import { interpreter, interpretInTurns } from './interpreter.ts'
import { boundedErrors, limitPlugins, maxBodyBytes } from './limits.ts'
import { EntriesOperations, LongLists } from './long-lists.ts'
import { maskError, withCode } from './mask-error.ts'
import { OperationMetrics } from './operation-metrics.ts'
import { PreparedDocuments, type PreparedOperation } from './prepared-documents.ts'
import { type PriceSettings, usualPriceSettings } from './price/price-settings.ts'
import type { StandingBound } from './price/standing-points.ts'
import { OperationPricing } from './pricing.ts'
import { measureResolvers, unmeasured } from './resolver-metrics.ts'
import { yogaAnswers } from './yoga-answers.ts'

export const graphqlPath = '/graphql'

export type GraphQLHandler = YogaServerInstance<object, Context>

export interface GraphQLOptions {
  readonly schema: GraphQLSchema
  readonly ports: Ports
  readonly log: Logger
  readonly registry: Registry
  readonly addresses?: ClientAddresses
  readonly price?: PriceSettings
  /** A subscription is refused because of this bound. */
  readonly exceeded?: (bound: StandingBound) => void
  /** Hooks of a transport. They apply to its own operations only. */
  readonly plugins?: readonly Plugin[]
}

/** What Yoga adds to the context of an operation that came over HTTP. */
interface OverHttp {
  readonly req?: IncomingMessage
}

type MaybePromise = ExecutionResult | Promise<ExecutionResult>

export interface GraphQL {
  readonly schema: GraphQLSchema
  /** Serves every request over HTTP and SSE. WebSockets use its pipeline by `getEnveloped`. */
  readonly yoga: GraphQLHandler
  /** Documents that were parsed and found valid, on any transport. */
  readonly documents: PreparedDocuments
  readonly compiled: CompiledOperations
  newContext(): Context
  /** Stands for one operation that comes by a request. */
  callerOf(request: IncomingMessage): Caller
  /** The client has gone. An operation that is not answered yet counts as dropped. */
  dropped(context: Context): void
  /**
   * Executes an operation that is parsed and valid. It does what Yoga's hooks would do one by one, at a tenth of the
   * cost. `context`: a new one. If the result has no errors, it tells how long caches may keep it.
   */
  execute(operation: PreparedOperation, request: OperationRequest, context?: Context): MaybePromise
  /** The result of an operation whose execution threw. */
  failed(error: unknown): ExecutionResult
}

export interface OperationRequest {
  readonly operationName?: string | null
  readonly variables?: Record<string, unknown> | null
  /** Its result tells what it costs. */
  readonly tellsCost?: boolean
}

/**
 * Creates the one pipeline for operations: its context, limits, errors and metrics apply on every transport. So they
 * are hooks of the operation's own steps (parse, validate, execute, subscribe), never of the HTTP request. Whatever
 * hooks into context or execution must be done in `execute` too.
 */
export function createGraphQL(options: GraphQLOptions): GraphQL {
  const { schema, ports, log, registry, plugins = [] } = options
  const { addresses = new ClientAddresses([]), price = usualPriceSettings, exceeded } = options
  const documents = new PreparedDocuments()
  const compiled = new CompiledOperations(schema)
  const entries = new EntriesOperations(schema)
  const metrics = new OperationMetrics(registry, log)
  gaugeOf(
    registry,
    'finstage_long_answers_bytes',
    'Memory that long answers hold, by estimate while they are made',
    () => longAnswers.used,
  )
  measureTurns(registry)
  gaugeOf(registry, 'finstage_long_answers_waiting', 'Operations that wait for this memory', () => longAnswers.waiting)
  seriesOfGauge(registry, saturation, 'long_answers', () => longAnswers.used / longAnswers.total)
  seriesOfGauge(registry, cacheBytes, 'documents', () => documents.bytes)
  seriesOfGauge(registry, cacheBytes, 'compiled_operations', () => compiled.bytes)
  const facts = { now: () => ports.now(), reachDays: (interval: Interval) => ports.market.reachDays(interval) }
  const pricing = new OperationPricing({ schema, settings: price, facts, registry, log, ...(exceeded && { exceeded }) })
  const measured = measureResolvers(schema, registry)
  const { observations } = pricing
  const newContext = (): Context => Object.assign(createContext(ports), measured, { observations })
  const callerOf = (request: IncomingMessage): Caller => addresses.callerOf(request)
  const mask = (error: unknown): GraphQLError => maskError(error, log)

  const yoga = createYoga<object, Context>({
    schema,
    graphqlEndpoint: graphqlPath,
    context: (initial) => {
      const { req } = initial as OverHttp
      return req ? Object.assign(newContext(), { caller: callerOf(req) }) : newContext()
    },
    graphiql: false,
    landingPage: false,
    multipart: false,
    // access/front-door.ts answers requests of other origins.
    cors: false,
    maxRequestBodySize: maxBodyBytes,
    logging: false,
    maskedErrors: { errorMessage: '', maskError: mask },
    // Syntax errors are not cached: metrics would not count an error that the cache throws again.
    // `documents` caches documents itself, once they are found valid.
    parserAndValidationCache: {
      documentCache: { get: (text) => documents.get(text), set() {} },
      errorCache: { get: () => undefined, set() {} },
    },
    plugins: [
      interpreter((context) => metrics.dropped(context)),
      metrics.plugin(),
      pricing.plugin(),
      unreadableRequests(),
      unacceptableAnswers(),
      yogaAnswers(),
      errorCodes(),
      documents.plugin(),
      ...limitPlugins(),
      ...plugins,
    ],
  })

  const runInterpreted = (
    { document }: PreparedOperation,
    request: OperationRequest,
    contextValue: Context,
  ): MaybePromise =>
    interpretInTurns({
      schema,
      document,
      contextValue,
      variableValues: request.variables ?? null,
      operationName: request.operationName ?? null,
    })

  function run(operation: PreparedOperation, request: OperationRequest, context: Context): MaybePromise {
    const asCompiled = compiled.find(operation)
    if (!asCompiled) {
      const result = runInterpreted(operation, request, context)
      if (!isPromise(result)) return result
      return result.finally(() => {
        if (context.hasLongLists) compiled.hurry(operation)
      })
    }
    context.takesWrittenLists = true
    const variables = request.variables ?? {}
    const longLists = new LongLists(entries, context, variables)
    context.laterLists = longLists
    // Compiled operations may report errors otherwise than the interpreter, which runs again: with the data that is
    // loaded by now, with counters of its own, and unmeasured.
    const again = (): MaybePromise => {
      longLists.stop()
      const { caller, takesRoom, loaders, viewer } = context
      // Should it come out without errors, caches ask each time.
      context.staysUntilMs = 0
      const anew = Object.assign(newContext(), { caller, takesRoom, loaders, viewer }, unmeasured)
      return runInterpreted(operation, request, anew)
    }
    const settled = (result: ExecutionResult): MaybePromise => {
      if (result.errors) return again()
      Object.assign(result, { stringify })
      return longLists.count === 0 ? result : longLists.fill(result).then((isFilled) => (isFilled ? result : again()))
    }
    const result = asCompiled(undefined, context, variables)
    return isPromise(result) ? result.then(settled) : settled(result)
  }

  function execute(
    operation: PreparedOperation,
    request: OperationRequest,
    context: Context = newContext(),
  ): MaybePromise {
    const startedMs = performance.now()
    const answered = (result: ExecutionResult): ExecutionResult => {
      metrics.answered(operation.description, startedMs, result, context)
      const shown = result.errors ? { ...result, errors: boundedErrors(result.errors).map(mask) } : result
      return pricing.told(shown, context)
    }
    if (request.tellsCost) context.tellsCost = true
    const refusal = pricing.charge(operation.document, operation.node, request.variables ?? {}, context)
    if (refusal) return answered({ errors: [refusal] })
    const result = run(operation, request, context)
    chargeLong(context, performance.now() - startedMs)
    if (!isPromise(result)) return answered(result)
    metrics.begun(operation.description, startedMs, context)
    return result.then(answered, (error: unknown) => {
      answered({ errors: [error as GraphQLError] })
      throw error
    })
  }

  const failed = (error: unknown): ExecutionResult => ({ errors: [mask(error)] })

  const dropped = (context: Context): void => metrics.dropped(context)

  return { schema, yoga, documents, compiled, newContext, callerOf, dropped, execute, failed }
}

/** How long the pieces of long work are: one that is much longer than a turn holds up everything else. */
function measureTurns(registry: Registry): void {
  const pieces = new Histogram<'work'>({
    name: 'finstage_turn_piece_seconds',
    help: 'How long pieces of long work held the event loop, by kind of work',
    buckets: [0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1],
    registry,
  })
  const byKind = Object.fromEntries(workKinds.map((work) => [work, pieces.series({ work })]))
  turns.observed((work, ms) => byKind[work]?.observe(ms / 1000))
}

/** Executing an operation for so long without a pause counts as spent by its client. */
const leastChargedMs = 0.5

function chargeLong({ caller }: Context, ms: number): void {
  if (ms >= leastChargedMs) turns.charge(caller, ms)
}

/** Answers requests that can't be read with an error of our own: the message of JSON.parse would quote the request. */
const unreadableRequests = (): Plugin => ({
  onRequestParse({ requestParser, setRequestParser }) {
    if (!requestParser) return
    setRequestParser(async (request) => {
      try {
        return await requestParser(request)
      } catch (error) {
        if (error instanceof GraphQLError && error.extensions.originalError === undefined) throw error
        throw unreadable(request)
      }
    })
  },
})

/** Yoga answers 406 without a body. */
const unacceptableAnswers = (): Plugin => ({
  onResponse({ response, setResponse, fetchAPI }) {
    if (response.status !== 406) return
    const message =
      'No answer in a media type of the Accept header: the server has application/json and ' +
      'application/graphql-response+json, and text/event-stream for subscriptions, in UTF-8'
    const { status, statusText } = response
    const headers = { ...Object.fromEntries(response.headers), 'content-type': 'application/json; charset=utf-8' }
    const body = JSON.stringify({ errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] })
    setResponse(new fetchAPI.Response(body, { status, statusText, headers }))
  },
})

/** By GET, the parameters of the address that hold JSON are named; by POST, the body as a whole. */
function unreadable({ method, url }: Request): GraphQLError {
  const field = method === 'GET' ? brokenParameter(url) : undefined
  return new GraphQLError(`${field ?? 'The body'} has to be JSON`, {
    extensions: { code: 'BAD_USER_INPUT', ...(field === undefined ? {} : { field }), http: { status: 400 } },
  })
}

/** The first parameter of an address that should be JSON and is not. */
function brokenParameter(url: string): string | undefined {
  const parameters = new URLSearchParams(url.slice(url.indexOf('?') + 1))
  return ['variables', 'extensions'].find((name) => {
    const text = parameters.get(name)
    try {
      if (text) JSON.parse(text)
      return false
    } catch {
      return true
    }
  })
}

/** Gives errors of parsing and validation their code: they are not masked. */
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
