import {
  type DocumentNode,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import { Counter, type Registry } from 'prom-client'
import { Histogram, type HistogramSeries } from '../../platform/histogram.ts'
import type { Logger } from '../../platform/logger.ts'
import { counterOf } from '../../platform/metrics.ts'
import type { Context } from '../../resolvers/context.ts'
import { turns } from '../../resolvers/rows.ts'
import { weights } from '../../schema/price/weights.ts'
import { thisMachine } from '../access/client-address.ts'
import { compilableFields } from './compiled-operations.ts'
import type { SubscribeArgs, Subscribed } from './interpreter.ts'
import { describeOperation } from './operation-metrics.ts'
import type { Variables } from './price/argument-values.ts'
import { AskedLately } from './price/asked-lately.ts'
import { Observations } from './price/observations.ts'
import { type Circumstances, type OperationCost, OperationPrice, type PricingFacts } from './price/operation-price.ts'
import type { PriceSettings } from './price/price-settings.ts'
import { refusal, standingRefusal } from './price/refusals.ts'
import { microsPerPoint, type StandingBound, StandingPoints } from './price/standing-points.ts'

/** A subscription that takes so long to begin waits for its turn: more than one of 200 symbols takes. */
const leastWaitingMicros = 5000
const buckets = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000]

interface PricedDocument {
  readonly price: OperationPrice
  readonly isCompiled: boolean
  readonly series: HistogramSeries
  readonly refused: { inc(): void }
  /** Its last result had errors: if it was compiled, it was interpreted then. */
  hadErrors: boolean
  /** Of a subscription, as the last that has begun has it. */
  eventMicros: number
  deliveryMicros: number
  countEvent(): void
  countDelivery(): void
}

type Subscribe = (args: SubscribeArgs) => Promise<Subscribed> | Subscribed

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
  /** What events of subscriptions have taken, by the root field of these, in microseconds. */
  readonly #spent = new Map<string, { micros: number }>()
  readonly #standing: StandingPoints
  readonly #exceeded: (bound: StandingBound) => void
  /** Plain numbers, read when metrics are scraped. */
  #spentPoints = 0
  #refusedPoints = 0
  readonly #documents = new WeakMap<OperationDefinitionNode, PricedDocument>()

  constructor(options: {
    schema: GraphQLSchema
    settings: PriceSettings
    facts: Pick<PricingFacts, 'now' | 'reachDays'>
    registry: Registry
    log: Logger
    /** A subscription is refused because of this bound. */
    exceeded?: (bound: StandingBound) => void
  }) {
    const { schema, settings, facts, registry, log, exceeded = () => {} } = options
    this.#standing = new StandingPoints(settings.standing, registry)
    this.#exceeded = exceeded
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
    const spent = this.#spent
    new Counter({
      name: 'finstage_event_points_total',
      help: 'What events of subscriptions were estimated to cost, to execute and to deliver, in points of 10 us of CPU',
      labelNames: ['operation'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [operation, { micros }] of spent) this.inc({ operation }, micros / microsPerPoint)
      },
    })
    counterOf(
      registry,
      'finstage_points_spent_total',
      'Points of the operations that were executed, as they were estimated before',
      () => this.#spentPoints,
    )
    counterOf(
      registry,
      'finstage_points_refused_total',
      'Points that refused operations would have cost, as the answers tell them',
      () => this.#refusedPoints,
    )
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
      weights.request + this.#costOf(price, { variables, isInterpreted, facts }).micros + given
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
    const refusal = this.#refusalAbove(points(anyTime), refused)
    if (!refusal) this.#spentPoints += context.points
    return refusal
  }

  /** The error that refuses what costs more than the ceiling. */
  #refusalAbove(asked: number, refused: PricedDocument['refused']): GraphQLError | null {
    const { ceiling, mode } = this.#settings
    if (asked <= ceiling) return null
    refused.inc()
    if (mode === 'measure') return null
    this.#refusedPoints += asked
    const message = `The operation costs about ${asked} points, and one may cost ${ceiling}: ask for less at once`
    return refusal(message, { code: 'BAD_USER_INPUT', points: asked, ceiling })
  }

  /**
   * Begins a subscription, unless it costs too much to begin or to stand. What it holds is in its context: it is given
   * back here if it does not begin, else by the transport when it has ended.
   */
  async #begin(args: SubscribeArgs, subscribe: Subscribe): Promise<Subscribed> {
    const context = args.contextValue as Context & YogaContext
    const node = getOperationAST(args.document, args.operationName)
    if (!node) return subscribe(args)
    context.tellsCost = asksCost(context)
    const { refusal, micros } = this.#open(args, node, context)
    if (refusal) return this.#toldAtOnce({ errors: [refusal] }, context)
    try {
      const begin = (): ReturnType<Subscribe> => subscribe(args)
      const begun = await (micros < leastWaitingMicros ? begin() : turns.run(context.caller, begin))
      if ('source' in begun || isAsyncIterable(begun)) return begun
      context.holding?.giveBack()
      return this.#toldAtOnce(begun, context)
    } catch (error) {
      context.holding?.giveBack()
      throw error
    }
  }

  /** Notes in the context what a subscription costs and holds. `micros`: to begin. */
  #open(
    { document, variableValues, execution }: SubscribeArgs,
    node: OperationDefinitionNode,
    context: Context,
  ): { readonly refusal: GraphQLError | null; readonly micros: number } {
    const variables = variableValues ?? {}
    const known = this.#documents.get(node)
    const priced = known ?? this.#priced(document, node)
    const { price, series } = priced
    // Events that are not shared are interpreted.
    const isInterpreted = execution === undefined || !priced.isCompiled
    const given = weights.subscription + weights.value * valuesIn(variables)
    const now = this.#costOf(price, { variables, isInterpreted, facts: this.#facts })
    const anyTime = this.#costOf(price, { variables, isInterpreted, facts: this.#factsOfNothing })
    const micros = given + now.micros + (known ? 0 : price.newDocumentMicros)
    const { eventMicros, deliveryMicros, standing } = anyTime
    Object.assign(priced, { eventMicros, deliveryMicros })
    context.priced = priced
    context.points = points(micros)
    if (context.tellsCost) {
      const standingPoints = points(standing.places + standing.documents + standing.series)
      const { ceiling } = this.#settings
      context.cost = {
        points: context.points,
        eventPoints: points(eventMicros + deliveryMicros),
        standingPoints,
        ceiling,
      }
    }
    series.observe(context.points)
    const refusal = this.#refusalAbove(points(given + anyTime.micros), priced.refused)
    if (refusal) return { refusal, micros }
    const { client } = context.caller
    const holder = {
      connection: context.connection ?? context.caller,
      client: client === thisMachine ? null : client,
      execution,
      standing,
    }
    const exceeded = this.#standing.exceeded(holder)
    if (exceeded) this.#exceeded(exceeded.bound)
    if (exceeded && this.#settings.mode === 'enforce') return { refusal: standingRefusal(exceeded), micros }
    this.#spentPoints += context.points
    context.holding = this.#standing.hold(holder)
    return { refusal: null, micros }
  }

  /** The answer of a subscription that does not begin. */
  #toldAtOnce(result: ExecutionResult, { cost }: Context): ExecutionResult {
    return cost ? Object.assign(result, { extensions: { ...result.extensions, cost } }) : result
  }

  /**
   * A price that throws, by a fault of ours, refuses nothing and ends no connection: the operation is priced as if it had
   * no variables. Execution then reports what is wrong with them.
   */
  #costOf(price: OperationPrice, circumstances: Circumstances): OperationCost {
    for (const variables of [circumstances.variables, {}]) {
      try {
        return price.cost({ ...circumstances, variables })
      } catch (error) {
        if (!this.#hasFailed) this.#log.error({ err: error }, 'the price of an operation could not be told')
        this.#hasFailed = true
      }
    }
    return { micros: 0, eventMicros: 0, deliveryMicros: 0, standing: { places: 0, documents: 0, series: 0 } }
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
    const spent = this.#spentBy(description.name)
    const priced: PricedDocument = {
      price: new OperationPrice(this.#schema, document, node),
      isCompiled: compilableFields(document, node) > 0,
      series: this.#points.series({ operation: description.name, kind: description.kind }),
      refused: this.#refused.labels({ operation: description.name, kind: description.kind }),
      hadErrors: false,
      eventMicros: 0,
      deliveryMicros: 0,
      countEvent() {
        spent.micros += this.eventMicros
      },
      countDelivery() {
        spent.micros += this.deliveryMicros
      },
    }
    this.#documents.set(node, priced)
    return priced
  }

  #spentBy(operation: string): { micros: number } {
    const spent = this.#spent.get(operation) ?? { micros: 0 }
    this.#spent.set(operation, spent)
    return spent
  }

  /** Charges operations that go through all the steps of the pipeline. */
  plugin(): Plugin {
    return {
      onExecute: ({ args, setResultAndStopExecution }) => {
        const { document, operationName, variableValues } = args
        const node = getOperationAST(document, operationName)
        const context = args.contextValue as unknown as Context & YogaContext
        context.tellsCost = asksCost(context)
        const refusal = node && this.charge(document, node, variableValues ?? {}, context)
        if (refusal) setResultAndStopExecution({ errors: [refusal] })
        return {
          onExecuteDone: ({ result, setResult }) => {
            if (!isAsyncIterable(result)) setResult(this.told(result, context))
          },
        }
      },
      onSubscribe: ({ args, subscribeFn, setSubscribeFn }) => {
        const context = args.contextValue as unknown as Context
        setSubscribeFn((args) => this.#begin(args as SubscribeArgs, subscribeFn as Subscribe))
        return {
          onSubscribeResult: () => ({
            onNext: ({ result, setResult }) => {
              context.priced?.countEvent()
              context.priced?.countDelivery()
              if (context.cost) setResult(this.#toldAtOnce(result as ExecutionResult, context))
              context.cost = null
            },
          }),
        }
      },
    }
  }
}

/** Over a WebSocket there is no request with headers for each operation. */
const asksCost = ({ req, params }: YogaContext): boolean =>
  req ? req.headers[costHeader] === '1' : params?.extensions?.cost === 1

/** The header by which a request asks what it costs, if it is 1. */
export const costHeader = 'x-cost'

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
