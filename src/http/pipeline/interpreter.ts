import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  mapSourceToResponseEvent,
  validateSubscriptionArgs,
} from 'graphql'
import { isAsyncIterable, isPromise, type Plugin } from 'graphql-yoga'

export interface SubscribeArgs extends ExecutionArgs {
  /** The transport executes and sends the events itself: it is given the source event stream as `SourceEvents`. */
  readonly asSource?: boolean
}

/**
 * What a root field's `subscribe` has returned: events that are not executed yet. The transport has to end the stream.
 */
export interface SourceEvents {
  readonly source: AsyncIterable<unknown>
}

export type Subscribed = AsyncIterable<ExecutionResult> | ExecutionResult | SourceEvents

/**
 * Executes everything that is not compiled by graphql-js: queries, mutations, subscriptions and their events. So there
 * is one interpreter to compare compiled operations with. Stands first, so that the other plugins wrap it.
 */
export const interpreter = (): Plugin => ({
  onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as Parameters<typeof setSubscribeFn>[0]),
})

function subscribe(args: SubscribeArgs): Subscribed | Promise<Subscribed> {
  const validated = validateSubscriptionArgs(args)
  if (!('schema' in validated)) return { errors: validated }
  const begun = (source: AsyncIterable<unknown> | ExecutionResult): Subscribed => {
    if (!isAsyncIterable(source)) return source
    return args.asSource ? { source } : mapSourceToResponseEvent(validated, source)
  }
  const source = createSourceEventStream(validated)
  return isPromise(source) ? source.then(begun) : begun(source)
}
