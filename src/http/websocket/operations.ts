import {
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  getOperationAST,
  OperationTypeNode,
} from 'graphql'
import { MessageType, type Context as ProtocolContext, type SubscribePayload } from 'graphql-ws'
import { badInput, limitExceeded } from '../../domain/errors.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Context } from '../../resolvers/context.ts'
import { longAnswers, turns } from '../../resolvers/rows.ts'
import { unjoinedJson } from '../../resolvers/written-list.ts'
import type { PriceBatches } from '../../stream/price-batches.ts'
import type { PriceSubscription } from '../../stream/price-subscription.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import type { GraphQL, GraphQLHandler, OperationRequest } from '../pipeline/graphql.ts'
import type { SubscribeArgs, Subscribed } from '../pipeline/interpreter.ts'
import { maskError, shownResult } from '../pipeline/mask-error.ts'
import type { PreparedOperation } from '../pipeline/prepared-documents.ts'
import { executionName, type SharedOperation, sharedOperation } from '../sharing/operation.ts'
import type { SharedSubscriptions } from '../sharing/subscriptions.ts'
import { ClientOperation } from './client-operation.ts'
import type { WebSocketConnection } from './connection.ts'

/** The steps of the pipeline for one operation, as Yoga gives them. */
interface Enveloped {
  schema: ExecutionArgs['schema']
  parse: (source: string) => ExecutionArgs['document']
  validate: (schema: unknown, document: unknown) => readonly GraphQLError[]
  contextFactory: () => Promise<Context> | Context
  execute: (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>
  subscribe: (args: SubscribeArgs) => Subscribed | Promise<Subscribed>
}

type PipelineArgs = ExecutionArgs & { readonly contextValue: Context }

/** What executing an operation takes that is parsed and valid. */
interface Prepared {
  readonly enveloped: Enveloped
  readonly connection: WebSocketConnection
  readonly args: PipelineArgs
}

/** A query whose document the pipeline has found valid before. */
interface KnownQuery {
  readonly query: PreparedOperation
  readonly connection: WebSocketConnection
  readonly request: OperationRequest
}

type Operation = ClientOperation<Prepared | KnownQuery>

/** The arguments of an operation as graphql-ws holds them: beside the operation only what it needs itself. */
type OperationArgs = Omit<ExecutionArgs, 'rootValue'> & { readonly rootValue: Operation }

type Client = ProtocolContext<never, WebSocketConnection>

export interface WebSocketOperationsOptions {
  readonly graphql: GraphQL
  readonly log: Logger
  readonly metrics: LiveMetrics
  readonly shared: SharedSubscriptions
  readonly maxSubscriptions: number
}

/**
 * Takes the operations of WebSockets through Yoga's pipeline. Events of prices go past it: they are executed
 * once for all clients that select the same.
 */
export class WebSocketOperations {
  readonly #options: WebSocketOperationsOptions

  constructor(options: WebSocketOperationsOptions) {
    this.#options = options
  }

  async prepare(
    { extra: connection, subscriptions }: Client,
    id: string,
    payload: SubscribePayload,
  ): Promise<OperationArgs | readonly GraphQLError[]> {
    const operation: Operation = new ClientOperation(id)
    // graphql-ws no longer lists an operation that was dropped before it has begun, but that still costs work.
    const open = Math.max(Object.keys(subscriptions).length, connection.beginningCount + 1)
    connection.begin(operation)
    const prepared = await this.#prepare(operation, connection, open, payload)
    if (operation.isDropped || Array.isArray(prepared)) connection.hasBegun(operation)
    return operation.unlessDropped(Promise.resolve(prepared))
  }

  /**
   * Sends the result past graphql-ws, which would not know lists that are written already, and would not tell when the
   * client has taken it.
   */
  execute({ rootValue: operation }: OperationArgs): Promise<AsyncIterable<ExecutionResult>> {
    const prepared = operation.takePrepared()
    const { connection } = prepared
    const context = 'query' in prepared ? this.#options.graphql.newContext() : prepared.args.contextValue
    const caller = connection.newCaller()
    Object.assign(context, { caller, takesRoom: true })
    operation.onDropped(() => {
      this.#options.graphql.dropped(context)
      // A mutation runs to its end whoever waits for it.
      if (!isQuery(prepared)) return
      turns.drop(caller, () => connection.hasBegun(operation))
      if (longAnswers.leave(caller)) connection.hasBegun(operation)
    })
    return begun(operation, connection, async () => {
      try {
        await this.#send(operation, prepared, context)
        operation.ended()
        return operation
      } finally {
        longAnswers.leave(caller)
      }
    })
  }

  async subscribe({ rootValue: operation }: OperationArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const prepared = operation.takePrepared()
    if ('query' in prepared) throw new Error('a query is executed')
    return begun(operation, prepared.connection, () => this.#subscribe(operation, prepared))
  }

  async #prepare(
    operation: Operation,
    connection: WebSocketConnection,
    open: number,
    payload: SubscribePayload,
  ): Promise<OperationArgs | readonly GraphQLError[]> {
    const { graphql, log, metrics, maxSubscriptions } = this.#options
    try {
      if (open > maxSubscriptions) {
        metrics.refused('subscriptions')
        const message = `At most ${maxSubscriptions} subscriptions may be open on one connection`
        throw limitExceeded(message, 0)
      }
      const [name = null, variables = null] = [payload.operationName, payload.variables]
      const query = graphql.documents.operation(payload.query, name)
      if (query?.description.kind === 'query') {
        operation.prepare({
          query,
          connection,
          request: { variables, operationName: name, tellsCost: payload.extensions?.cost === 1 },
        })
        const { schema } = graphql
        return {
          schema,
          document: query.document,
          operationName: name,
          contextValue: undefined,
          rootValue: operation,
        }
      }
      const enveloped = envelop(graphql.yoga, { params: payload })
      const document = enveloped.parse(payload.query)
      const errors = enveloped.validate(enveloped.schema, document)
      if (errors.length > 0) return errors
      if (!getOperationAST(document, payload.operationName)) throw badInput('Unable to identify operation')
      const { schema } = enveloped
      const { operationName, variables: variableValues } = payload
      const contextValue = await enveloped.contextFactory()
      Object.assign(contextValue, { caller: connection.newCaller(), connection })
      operation.prepare({
        enveloped,
        connection,
        args: { schema, document, operationName, variableValues, contextValue },
      })
      return { schema, document, operationName, contextValue: undefined, rootValue: operation }
    } catch (error) {
      return [maskError(error, log)]
    }
  }

  /** Nothing of the result is kept while its bytes wait for the client. */
  #send(operation: Operation, prepared: Prepared | KnownQuery, context: Context): Promise<void> {
    return this.#result(prepared, context).then((result) => {
      // Work goes on of a mutation that nobody waits for any more.
      if (operation.isDropped) return
      const message = { id: operation.id, type: MessageType.Next, payload: shownResult(result) }
      return prepared.connection.sendAnswer(unjoinedJson(message), operation, context)
    })
  }

  async #result(prepared: Prepared | KnownQuery, context: Context): Promise<ExecutionResult> {
    if (!('query' in prepared)) return prepared.enveloped.execute(prepared.args)
    const { graphql } = this.#options
    try {
      return await graphql.execute(prepared.query, prepared.request, context)
    } catch (error) {
      return graphql.failed(error)
    }
  }

  async #subscribe(
    operation: Operation,
    prepared: Prepared,
  ): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const { enveloped, args } = prepared
    const shared = sharedOperation(args)
    const subscribed = await enveloped.subscribe(shared ? { ...args, execution: executionName(shared, args) } : args)
    if (args.contextValue.holding) operation.holds(args.contextValue.holding)
    if (shared && 'source' in subscribed) {
      const subscription = subscribed.source as PriceSubscription | PriceBatches
      if (operation.isDropped) await subscription.return()
      else this.#share(operation, prepared, shared, subscription)
      return operation
    }
    if (!(Symbol.asyncIterator in subscribed)) return subscribed as ExecutionResult
    await operation.attach(subscribed[Symbol.asyncIterator]())
    return operation
  }

  /** Has the connection's writer send the updates, executed once for all clients that select the same. */
  #share(
    operation: Operation,
    { connection, args }: Prepared,
    shared: SharedOperation,
    subscription: PriceSubscription | PriceBatches,
  ): void {
    // What Yoga adds is of this client alone.
    const { viewer, priced, cost } = args.contextValue
    const contextValue = Object.assign(this.#options.graphql.newContext(), { viewer, priced })
    const subscriber = this.#options.shared.join({
      operation: shared,
      args: { ...args, contextValue },
      subscription,
      cost,
      writer: connection.writer,
      id: operation.id,
      onEnd: operation,
    })
    operation.attachSent(subscriber)
  }
}

const isQuery = (prepared: Prepared | KnownQuery): boolean =>
  'query' in prepared ||
  getOperationAST(prepared.args.document, prepared.args.operationName)?.operation === OperationTypeNode.QUERY

/** The operation counts as beginning until `begin` settles, also if it is dropped meanwhile. */
function begun<T>(operation: Operation, connection: WebSocketConnection, begin: () => Promise<T>): Promise<T> {
  const settled = begin().finally(() => connection.hasBegun(operation))
  return operation.unlessDropped(settled)
}

const envelop = (graphql: GraphQLHandler, context: object): Enveloped =>
  graphql.getEnveloped(context) as unknown as Enveloped
