import type { ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import { execute } from '@graphql-tools/executor'
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  getOperationAST,
  mapSourceToResponseEvent,
  OperationTypeNode,
  validateSubscriptionArgs,
} from 'graphql'
import { isAsyncIterable, isPromise, type Plugin } from 'graphql-yoga'
import type { Context } from '../../resolvers/context.ts'
import { leave } from '../../resolvers/rows.ts'
import { stringify } from '../../resolvers/written-list.ts'
import { ResultWriter } from './long-lists.ts'

/** What Yoga adds to the context of an operation that came over HTTP. */
interface OverHttp {
  readonly res?: ServerResponse
}

export interface SubscribeArgs extends ExecutionArgs {
  /**
   * Names the execution that serves all who are shown the same. The transport has it execute the events and sends them
   * itself: it gets the source event stream as `SourceEvents`.
   */
  readonly execution?: string
}

/** The events that a root field's `subscribe` has returned, not executed yet. The transport must end the stream. */
export interface SourceEvents {
  readonly source: AsyncIterable<unknown>
}

export type Subscribed = AsyncIterable<ExecutionResult> | ExecutionResult | SourceEvents

/**
 * Has one interpreter execute every operation that is not compiled: queries, mutations, and events of subscriptions. So
 * there is one to compare compiled operations with. The plugin stands first, so that the others wrap it.
 */
export const interpreter = (dropped: (context: Context) => void): Plugin => ({
  onExecute({ args, setExecuteFn }) {
    setExecuteFn(interpretInTurns)
    const context = args.contextValue as unknown as Context & OverHttp
    if (!context.res) return
    const isQuery = getOperationAST(args.document, args.operationName)?.operation === OperationTypeNode.QUERY
    context.takesRoom = true
    // Also called where the response has closed by now.
    finished(context.res, () => {
      dropped(context)
      leave(context, { isQuery })
    })
  },
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as Parameters<typeof setSubscribeFn>[0]),
})

/**
 * Executes a query or mutation, or one event of a subscription, which is the root value. graphql-js' own executor takes
 * 9 us for a small query where this one takes 4: it makes and aborts an AbortController each time.
 */
export const interpret = (args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> =>
  // The schema has neither @defer nor @stream.
  execute(args as Parameters<typeof execute>[0]) as ExecutionResult | Promise<ExecutionResult>

/** Executes as `interpret` does. The result holds long lists as JSON that was written in turns of the event loop. */
export function interpretInTurns(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const context = args.contextValue as Context
  const result = interpret(args)
  if (!isPromise(result)) return result
  return result.then(async (settled) => {
    if (!context.hasLongLists) return settled
    const data = settled.data && (await new ResultWriter(context.caller).write(settled.data))
    return Object.assign(settled, { data, stringify })
  })
}

function subscribe(args: SubscribeArgs): Subscribed | Promise<Subscribed> {
  const validated = validateSubscriptionArgs(args)
  if (!('schema' in validated)) return badRequest(validated)
  const begun = (source: AsyncIterable<unknown> | ExecutionResult): Subscribed => {
    if (!isAsyncIterable(source)) return source
    if (args.execution !== undefined) return { source }
    return mapSourceToResponseEvent(validated, source, ({ rootValue }) => interpretInTurns({ ...args, rootValue }))
  }
  const source = createSourceEventStream(validated)
  return isPromise(source) ? source.then(begun) : begun(source)
}

/** Variables of the wrong type: over HTTP, Yoga answers 400. The interpreter does the same for a query. */
function badRequest(errors: readonly GraphQLError[]): ExecutionResult {
  for (const { extensions } of errors) extensions.http = { status: 400 }
  return { errors }
}
