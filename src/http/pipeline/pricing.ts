import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import { Counter, type Registry } from 'prom-client'
import { Histogram, type HistogramSeries } from '../../platform/histogram.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Context } from '../../resolvers/context.ts'
import { weights } from '../../schema/price/weights.ts'
import { compilableFields } from './compiled-operations.ts'
import { describeOperation } from './operation-metrics.ts'
import type { Variables } from './price/argument-values.ts'
import { AskedLately } from './price/asked-lately.ts'
import { Observations } from './price/observations.ts'
import { type Circumstances, OperationPrice, type PricingFacts } from './price/operation-price.ts'
import type { PriceSettings } from './price/price-settings.ts'

const microsPerPoint = 10
const buckets = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000]

interface PricedDocument {
  readonly price: OperationPrice
  readonly isCompiled: boolean
  readonly series: HistogramSeries
  readonly refused: { inc(): void }
  /** Its last result had errors: if it was compiled, it was interpreted then. */
  hadErrors: boolean
}

/** What Yoga adds to the context of an operation. */
interface YogaContext {
  readonly req?: { readonly headers: Readonly<Record<string, string | string[] | undefined>> }
  readonly params?: { readonly extensions?: { readonly cost?: unknown } | null }
}

/**
 * Tells the price of each operation before it is executed, in points of 10 microseconds of CPU, and refuses what costs
 * more than the ceiling. Nothing here waits: prices are made of the document, its variables and the clock.
 */
export class OperationPricing {
  readonly observations = new Observations()
  readonly #schema: GraphQLSchema
  readonly #settings: PriceSettings
  readonly #log: Logger
  readonly #facts: PricingFacts
  /** As if nothing were in memory. */
  readonly #factsOfNothing: PricingFacts
  /** The price that was asked for last found something in memory. */
  #hasKnown = false
  /** A price has thrown. Only the first is logged: clients can have more, as many as they like. */
  #hasFailed = false
  readonly #points: Histogram<'operation' | 'kind'>
  readonly #refused: Counter<'operation' | 'kind'>
  readonly #documents = new WeakMap<OperationDefinitionNode, PricedDocument>()

  constructor(options: {
    schema: GraphQLSchema
    settings: PriceSettings
    facts: Pick<PricingFacts, 'now' | 'reachDays'>
    registry: Registry
    log: Logger
  }) {
    const { schema, settings, facts, registry, log } = options
    this.#schema = schema
    this.#settings = settings
    this.#log = log
    const lately = new AskedLately(facts.now)
    this.#factsOfNothing = { ...facts, hasLoaded: () => false, hasComputed: () => false, observed: () => undefined }
    this.#facts = {
      ...facts,
      hasLoaded: (name) => this.#noted(lately.hasLoaded(name)),
      hasComputed: (series, name, bytes) => this.#noted(lately.hasComputed(series, name, bytes)),
      observed: (name) => {
        const observed = this.observations.get(name)
        this.#noted(observed !== undefined)
        return observed
      },
    }
    this.#points = new Histogram({
      name: 'finstage_operation_points',
      help: 'What GraphQL operations were estimated to cost before they were executed, in points of 10 us of CPU',
      buckets,
      registry,
    })
    this.#refused = new Counter({
      name: 'finstage_operations_over_ceiling_total',
      help: 'GraphQL operations that cost more points than one may; PRICE=measure executes them all the same',
      labelNames: ['operation', 'kind'],
      registers: [registry],
    })
  }

  /** Keeps in mind that a price is lower than where nothing is known. */
  #noted(isKnown: boolean): boolean {
    if (isKnown) this.#hasKnown = true
    return isKnown
  }

  /** Notes the price in the context. Returns the error that refuses the operation. */
  charge(
    document: DocumentNode,
    node: OperationDefinitionNode,
    variables: Variables,
    context: Context,
  ): GraphQLError | null {
    const known = this.#documents.get(node)
    const priced = known ?? this.#priced(document, node)
    const { price, isCompiled, series, refused } = priced
    const given = weights.value * valuesIn(variables)
    const costOf = (isInterpreted: boolean, facts: PricingFacts): number =>
      this.#microsOf(price, { variables, isInterpreted, facts }) + given
    // The first time, the document is read and interpreted.
    this.#hasKnown = false
    let now = costOf(!known || !isCompiled, this.#facts)
    if (!known) now += price.newDocumentMicros
    else if (isCompiled && priced.hadErrors) now += costOf(true, this.#facts) / 2
    context.priced = priced
    context.points = points(now)
    series.observe(context.points)
    // What is refused is refused the first time and the hundredth, whatever is in memory.
    const anyTime = known && !this.#hasKnown ? now : costOf(!isCompiled, this.#factsOfNothing)
    const { ceiling, mode } = this.#settings
    const asked = points(anyTime)
    if (asked <= ceiling) return null
    refused.inc()
    if (mode === 'measure') return null
    const message = `The operation costs about ${asked} points, and one may cost ${ceiling}: ask for less at once`
    return refusal(message, { code: 'BAD_USER_INPUT', points: asked, ceiling })
  }

  /**
   * A price that throws, by a fault of ours, refuses nothing and ends no connection: the operation is priced as if it had
   * no variables. Execution then reports what is wrong with them.
   */
  #microsOf(price: OperationPrice, circumstances: Circumstances): number {
    for (const variables of [circumstances.variables, {}]) {
      try {
        return sum(price.cost({ ...circumstances, variables }))
      } catch (error) {
        if (!this.#hasFailed) this.#log.error({ err: error }, 'the price of an operation could not be told')
        this.#hasFailed = true
      }
    }
    return weights.request
  }

  /** Adds the price to a result whose client asks for it. */
  told<Result extends ExecutionResult>(result: Result, { tellsCost, points, priced }: Context): Result {
    if (priced) priced.hadErrors = result.errors !== undefined
    if (!tellsCost) return result
    const cost = { points, ceiling: this.#settings.ceiling }
    return Object.assign(result, { extensions: { ...result.extensions, cost } })
  }

  #priced(document: DocumentNode, node: OperationDefinitionNode): PricedDocument {
    const description = describeOperation(document, node)
    const priced: PricedDocument = {
      price: new OperationPrice(this.#schema, document, node),
      isCompiled: compilableFields(document, node) > 0,
      series: this.#points.series({ operation: description.name, kind: description.kind }),
      refused: this.#refused.labels({ operation: description.name, kind: description.kind }),
      hadErrors: false,
    }
    this.#documents.set(node, priced)
    return priced
  }

  /** Charges operations that go through all the steps of the pipeline. */
  plugin(): Plugin {
    const charge = ({ document, operationName, variableValues, contextValue }: Execution): GraphQLError | null => {
      const node = getOperationAST(document, operationName)
      const context = contextValue as unknown as Context & YogaContext
      // Over a WebSocket there is no request with headers for each operation.
      context.tellsCost = context.req ? context.req.headers[costHeader] === '1' : context.params?.extensions?.cost === 1
      return node ? this.charge(document, node, variableValues ?? {}, context) : null
    }
    return {
      onExecute: ({ args, setResultAndStopExecution }) => {
        const refusal = charge(args)
        if (refusal) setResultAndStopExecution({ errors: [refusal] })
        return {
          onExecuteDone: ({ result, setResult }) => {
            if (!isAsyncIterable(result)) setResult(this.told(result, args.contextValue as unknown as Context))
          },
        }
      },
      onSubscribe: ({ args, setResultAndStopExecution }) => {
        const refusal = charge(args)
        if (refusal) setResultAndStopExecution({ errors: [refusal] })
      },
    }
  }
}

/** Without a stack, which takes half of the time of a refusal and which nobody reads. */
function refusal(message: string, extensions: Readonly<Record<string, unknown>>): GraphQLError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new GraphQLError(message, { extensions })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The header by which a request asks what it costs, if it is 1. */
export const costHeader = 'x-cost'

interface Execution {
  readonly document: DocumentNode
  readonly operationName?: string | null | undefined
  readonly variableValues?: Variables | null | undefined
  readonly contextValue?: unknown
}

const sum = ({ micros, eventMicros }: { readonly micros: number; readonly eventMicros: number }): number =>
  weights.request + micros + eventMicros

/** How many entries the lists among variables have, and those of their inputs: each is read, whatever becomes of it. */
function valuesIn(variables: Variables, levels = 2): number {
  let count = 0
  for (const name in variables) {
    const value = variables[name]
    if (Array.isArray(value)) count += value.length
    else if (levels > 1 && typeof value === 'object' && value !== null)
      count += valuesIn(value as Variables, levels - 1)
  }
  return count
}

const points = (micros: number): number => Math.ceil(micros / microsPerPoint)
