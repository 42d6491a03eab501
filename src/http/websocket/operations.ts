import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getOperationAST } from 'graphql'
import type { OperationResult, Context as ProtocolContext, SubscribePayload } from 'graphql-ws'
import { badInput, limitExceeded } from '../../domain/errors.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Context } from '../../resolvers/context.ts'
import type { LiveMetrics } from '../connections/metrics.ts'
import { ClientOperation } from '../pipeline/client-operation.ts'
import type { GraphQL, GraphQLHandler } from '../pipeline/graphql.ts'
import { maskError } from '../pipeline/mask-error.ts'
import { sharedOperation } from '../sharing/operation.ts'
import { type Member, SharedSubscriptions } from '../sharing/subscriptions.ts'
import type { WebSocketConnection } from './connection.ts'

/** The root field whose events are shared. */
const sharedField = 'priceUpdates'

/** What Yoga's pipeline gives for one operation. */
interface Enveloped {
  schema: ExecutionArgs['schema']
  parse: (source: string) => ExecutionArgs['document']
  validate: (schema: unknown, document: unknown) => readonly GraphQLError[]
  contextFactory: () => Promise<Context> | Context
  execute: (args: ExecutionArgs) => OperationResult
  subscribe: (args: ExecutionArgs) => OperationResult
}

/** What graphql-ws hands back for an operation that it was prepared for. */
type PreparedArgs = Omit<ExecutionArgs, 'rootValue' | 'contextValue'> & { rootValue: Prepared; contextValue: Context }

/** What an operation is known by from its beginning on; graphql-ws keeps it as the root value. */
export interface Prepared {
  readonly connection: WebSocketConnection
  readonly id: string
  readonly operation: ClientOperation
  readonly enveloped: Enveloped
}

type Client = ProtocolContext<never, WebSocketConnection>

export interface WebSocketOperationsOptions {
  readonly graphql: GraphQL
  readonly log: Logger
  readonly metrics: LiveMetrics
  readonly maxSubscriptions: number
}

/**
 * Takes the operations of WebSockets through Yoga's pipeline. Events of `priceUpdates` go past it, executed once for all who ask
 * alike.
 */
export class WebSocketOperations {
  readonly #options: WebSocketOperationsOptions
  readonly #shared: SharedSubscriptions

  constructor(options: WebSocketOperationsOptions) {
    this.#options = options
    const { graphql, log, metrics } = options
    this.#shared = new SharedSubscriptions({
      mask: (error) => maskError(error, log),
      executed: () => metrics.executed(),
      compiled: graphql.compiled,
    })
  }

  /** How many different price subscriptions there are. */
  get executions(): number {
    return this.#shared.size
  }

  async prepare(
    { extra: connection, subscriptions }: Client,
    id: string,
    payload: SubscribePayload,
  ): Promise<PreparedArgs | readonly GraphQLError[]> {
    const operation = new ClientOperation()
    // One that the client completes before it has begun is no longer among the open ones, but has to come to its end.
    const open = Math.max(Object.keys(subscriptions).length, connection.beginning + 1)
    ;(subscriptions as Record<string, unknown>)[id] = operation
    connection.beginning += 1
    const prepared = await this.#prepare({ connection, id, operation }, open, payload)
    if (operation.isDropped || Array.isArray(prepared)) connection.beginning -= 1
    return operation.unlessDropped(Promise.resolve(prepared))
  }

  execute(args: PreparedArgs): Promise<ExecutionResult> {
    return this.#begun(args, async (args) => args.rootValue.enveloped.execute(args) as Promise<ExecutionResult>)
  }

  async subscribe(args: PreparedArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const { operation } = args.rootValue
    return this.#begun(args, async (args) => {
      const events = await this.#subscribe(args)
      if (!(Symbol.asyncIterator in events)) return events
      await operation.attach(events[Symbol.asyncIterator]())
      return operation
    })
  }

  async #prepare(
    begun: Pick<Prepared, 'connection' | 'id' | 'operation'>,
    open: number,
    payload: SubscribePayload,
  ): Promise<PreparedArgs | readonly GraphQLError[]> {
    const { graphql, log, metrics, maxSubscriptions } = this.#options
    try {
      if (open > maxSubscriptions) {
        metrics.refused('subscriptions')
        const message = `At most ${maxSubscriptions} subscriptions may be open on one connection`
        throw limitExceeded(message, 0)
      }
      const enveloped = envelop(graphql.yoga, { params: payload })
      const document = enveloped.parse(payload.query)
      const errors = enveloped.validate(enveloped.schema, document)
      if (errors.length > 0) return errors
      if (!getOperationAST(document, payload.operationName)) throw badInput('Unable to identify operation')
      return {
        schema: enveloped.schema,
        document,
        ...(payload.operationName == null ? {} : { operationName: payload.operationName }),
        ...(payload.variables == null ? {} : { variableValues: payload.variables }),
        contextValue: await enveloped.contextFactory(),
        rootValue: { ...begun, enveloped },
      }
    } catch (error) {
      return [maskError(error, log)]
    }
  }

  async #begun<T>(args: PreparedArgs, begin: (args: PreparedArgs) => Promise<T>): Promise<T> {
    const { connection, operation } = args.rootValue
    const settled = begin(args).finally(() => {
      connection.beginning -= 1
    })
    return operation.unlessDropped(settled)
  }

  async #subscribe(args: PreparedArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const { connection, id, operation, enveloped } = args.rootValue
    const { schema, document, operationName, variableValues, contextValue } = args
    const shared = sharedOperation(document, operationName ?? null, sharedField)
    let member: Member | undefined
    if (shared) {
      contextValue.onPrices = (subscription) => {
        if (operation.isDropped) return void subscription.return()
        // What is left is good for all clients of the viewer.
        const { onPrices, params, ...context } = contextValue as Context & { params: unknown }
        member = this.#shared.join({
          ...{ operation: shared, subscription, id, viewer: context.viewer.id },
          args: { schema, document, operationName, variableValues, contextValue: context },
          writer: connection.writer,
        })
      }
    }
    const events = (await enveloped.subscribe(args)) as AsyncIterable<ExecutionResult> | ExecutionResult
    // graphql-ws keeps its arguments for as long as the subscription lasts: a third of what a subscriber would cost in memory.
    if (member) Object.assign(args, { contextValue: null, rootValue: null })
    if (Symbol.asyncIterator in events) return member ?? events
    await member?.return()
    return events
  }
}

const envelop = (graphql: GraphQLHandler, context: object): Enveloped =>
  graphql.getEnveloped(context) as unknown as Enveloped
