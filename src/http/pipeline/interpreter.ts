import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeRootSelectionSet,
  type GraphQLError,
  mapSourceToResponseEvent,
  validateExecutionArgs,
  validateSubscriptionArgs,
} from 'graphql'
import { isAsyncIterable, isPromise, type Plugin } from 'graphql-yoga'

export interface SubscribeArgs extends ExecutionArgs {
  /** The transport executes and sends the events itself: it gets the source event stream as `SourceEvents`. */
  readonly asSource?: boolean
}

/** The events that a root field's `subscribe` has returned, not executed yet. The transport must end the stream. */
export interface SourceEvents {
  readonly source: AsyncIterable<unknown>
}

export type Subscribed = AsyncIterable<ExecutionResult> | ExecutionResult | SourceEvents

/**
 * Has graphql-js execute every operation that is not compiled: queries, mutations, subscriptions and their events. So
 * there is one interpreter to compare compiled operations with. The plugin stands first, so that the others wrap it.
 */
export const interpreter = (): Plugin => ({
  onExecute: ({ setExecuteFn }) => setExecuteFn(interpret),
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as Parameters<typeof setSubscribeFn>[0]),
})

/** Executes a query or mutation. */
export function interpret(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const validated = validateExecutionArgs(args)
  return 'schema' in validated ? executeRootSelectionSet(validated) : badRequest(validated)
}

function subscribe(args: SubscribeArgs): Subscribed | Promise<Subscribed> {
  const validated = validateSubscriptionArgs(args)
  if (!('schema' in validated)) return badRequest(validated)
  const begun = (source: AsyncIterable<unknown> | ExecutionResult): Subscribed => {
    if (!isAsyncIterable(source)) return source
    return args.asSource ? { source } : mapSourceToResponseEvent(validated, source)
  }
  const source = createSourceEventStream(validated)
  return isPromise(source) ? source.then(begun) : begun(source)
}

/** Variables of the wrong type, or an operation that the document does not have: over HTTP, Yoga answers 400. */
function badRequest(errors: readonly GraphQLError[]): ExecutionResult {
  for (const { extensions } of errors) extensions.http = { status: 400 }
  return { errors }
}
