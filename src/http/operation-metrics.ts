import { type DocumentNode, getOperationAST, type SelectionSetNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { Counter, Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../platform/metrics.ts'
import { codeOf } from './mask-error.ts'

interface Operation {
  readonly startedMs: number
  name: string
  kind: string
}

/**
 * Counts and times every operation, on every transport. Its labels come from the schema, never from the client: `operation` is
 * the root field that is asked for (`several` where there is more than one, `none` where nothing could be read), since the
 * names and aliases that clients choose are without number.
 */
export function operationMetrics(registry: Registry): Plugin {
  const labelNames = ['operation', 'kind', 'outcome'] as const
  const requests = new Counter({
    name: 'finstage_requests_total',
    help: 'GraphQL operations that were answered; a subscription counts when it has begun',
    labelNames,
    registers: [registry],
  })
  const seconds = new Histogram({
    name: 'finstage_request_duration_seconds',
    help: 'How long GraphQL operations took to answer; a subscription, to begin',
    labelNames,
    buckets: durationBuckets,
    registers: [registry],
  })
  const errors = new Counter({
    name: 'finstage_request_errors_total',
    help: 'Errors in answers, by code',
    labelNames: ['code'],
    registers: [registry],
  })
  /** By the context object, which is the same from the first step of an operation to the last. */
  const running = new WeakMap<object, Operation>()

  function answered(context: object, result: unknown): void {
    const operation = running.get(context)
    if (!operation) return
    running.delete(context)
    const { errors: found, data } = result as { errors?: readonly unknown[]; data?: unknown }
    for (const error of found ?? []) errors.inc({ code: codeOf(error) })
    const outcome = !found?.length ? 'ok' : data == null || isEmpty(data) ? 'error' : 'partial'
    const labels = { operation: operation.name, kind: operation.kind, outcome }
    requests.inc(labels)
    seconds.observe(labels, (performance.now() - operation.startedMs) / 1000)
  }

  return {
    onParse({ context }) {
      const operation: Operation = { startedMs: performance.now(), name: 'none', kind: 'none' }
      running.set(context, operation)
      return ({ result }) => {
        if (result instanceof Error) answered(context, { errors: [result] })
      }
    },
    onValidate({ context, params }) {
      const operation = running.get(context)
      return ({ valid, result }) => {
        if (valid && operation) Object.assign(operation, described(params.documentAST, context))
        if (!valid) answered(context, { errors: result })
      }
    },
    onExecute({ args }) {
      return {
        onExecuteDone({ result }) {
          answered(args.contextValue as object, result)
        },
      }
    },
    onSubscribe({ args }) {
      return {
        onSubscribeResult({ result }) {
          answered(args.contextValue as object, Symbol.asyncIterator in (result as object) ? {} : result)
        },
        onSubscribeError({ error }) {
          answered(args.contextValue as object, { errors: [error] })
        },
      }
    },
  }
}

const isEmpty = (data: unknown): boolean => Object.values(data as object).every((value) => value === null)

/** Root field and kind of the operation that is going to be executed. */
function described(document: DocumentNode, context: unknown): Pick<Operation, 'name' | 'kind'> {
  const { params } = context as { params?: { operationName?: string | null } }
  const node = getOperationAST(document, params?.operationName)
  if (!node) return { name: 'none', kind: 'none' }
  const names = new Set(rootFields(node.selectionSet, document))
  const [only] = names
  return { name: names.size === 1 && only ? only : 'several', kind: node.operation }
}

function rootFields(selections: SelectionSetNode, document: DocumentNode): string[] {
  return selections.selections.flatMap((selection) => {
    if (selection.kind === 'Field') return [selection.name.value]
    if (selection.kind === 'InlineFragment') return rootFields(selection.selectionSet, document)
    const fragment = document.definitions.find(
      (definition) => definition.kind === 'FragmentDefinition' && definition.name.value === selection.name.value,
    )
    return fragment?.kind === 'FragmentDefinition' ? rootFields(fragment.selectionSet, document) : []
  })
}
