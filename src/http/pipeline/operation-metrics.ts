import { type DocumentNode, getOperationAST, type OperationDefinitionNode, type SelectionSetNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { Counter, type Registry } from 'prom-client'
import type { ErrorCode } from '../../domain/errors.ts'
import { Histogram, type HistogramSeries } from '../../platform/histogram.ts'
import type { Logger } from '../../platform/logger.ts'
import { durationBuckets } from '../../platform/metrics.ts'
import type { Context } from '../../resolvers/context.ts'
import { codeOf } from './mask-error.ts'

/** The labels of an operation: its root field, and its kind. */
export interface OperationDescription {
  readonly name: string
  readonly kind: string
}

/** dropped: its client went before it was answered. */
type Outcome = 'ok' | 'partial' | 'error' | 'dropped'

interface RunningOperation {
  /** By performance.now(). */
  readonly startedMs: number
  description: OperationDescription
}

interface Result {
  readonly errors?: readonly unknown[]
  readonly data?: unknown
}

/** Errors that are not for the client to avoid. An operation that has one counts against the promise of 99.9 %. */
const ourCodes: ReadonlySet<string> = new Set([
  'INTERNAL',
  'UNAVAILABLE',
  'TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_RATE_LIMITED',
] satisfies ErrorCode[])

/** The log tells of operations that take longer. */
const slowMs = 1000

const unread: OperationDescription = { name: 'none', kind: 'none' }

/**
 * Counts and times every operation, on every transport. Labels come from the schema, never from the client, whose names
 * and aliases are without number: `operation` is the root field, `several` if there is more than one, or `none` if the
 * document is not valid.
 */
export class OperationMetrics {
  readonly #seconds: Histogram<'operation' | 'kind' | 'outcome'>
  readonly #series = new WeakMap<OperationDescription, Partial<Record<Outcome, HistogramSeries>>>()
  readonly #errors: Counter<'code'>
  readonly #failed: Counter
  /** By the context, which is the same object from the first step of an operation to the last. */
  readonly #running = new WeakMap<object, RunningOperation>()
  readonly #dropped = new WeakSet<object>()
  readonly #log: Logger

  constructor(registry: Registry, log: Logger) {
    this.#log = log
    const seconds = new Histogram<'operation' | 'kind' | 'outcome'>({
      name: 'finstage_request_duration_seconds',
      help: 'How long GraphQL operations took to answer; a subscription, to begin',
      buckets: durationBuckets,
      registry,
    })
    this.#seconds = seconds
    new Counter({
      name: 'finstage_requests_total',
      help: 'GraphQL operations that were answered; a subscription counts when it has begun',
      labelNames: ['operation', 'kind', 'outcome'],
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, count } of seconds.counts()) this.inc(labels, count)
      },
    })
    this.#errors = new Counter({
      name: 'finstage_request_errors_total',
      help: 'Errors in answers, by code',
      labelNames: ['code'],
      registers: [registry],
    })
    this.#failed = new Counter({
      name: 'finstage_requests_failed_total',
      help: `Operations with an error that is not the client's to avoid: ${[...ourCodes].join(', ')}`,
      registers: [registry],
    })
  }

  /** `startedMs`: by performance.now(). `result`: before its errors are masked. */
  answered(
    description: OperationDescription,
    startedMs: number,
    { errors, data }: Result,
    context: Partial<Pick<Context, 'points'>>,
  ): void {
    if (this.#dropped.has(context)) return
    this.#running.delete(context)
    if (errors?.length) this.#count(errors)
    const outcome = !errors?.length ? 'ok' : data == null || isEmpty(data) ? 'error' : 'partial'
    const tookMs = performance.now() - startedMs
    this.#seriesOf(description, outcome).observe(tookMs / 1000)
    if (tookMs < slowMs) return
    const { name, kind } = description
    const { points } = context
    this.#log.warn({ operation: name, kind, points, tookMs: Math.round(tookMs) }, 'an operation was slow')
  }

  #count(errors: readonly unknown[]): void {
    const codes = errors.map(codeOf)
    for (const code of codes) this.#errors.inc({ code })
    if (codes.some((code) => ourCodes.has(code))) this.#failed.inc()
  }

  /** The operation was not answered at once. */
  begun(description: OperationDescription, startedMs: number, context: object): void {
    this.#running.set(context, { startedMs, description })
  }

  /** Does nothing if the operation was answered. */
  dropped(context: object): void {
    const operation = this.#running.get(context)
    if (!operation) return
    this.#running.delete(context)
    this.#dropped.add(context)
    const { description, startedMs } = operation
    this.#seriesOf(description, 'dropped').observe((performance.now() - startedMs) / 1000)
  }

  #seriesOf(description: OperationDescription, outcome: Outcome): HistogramSeries {
    const known = this.#series.get(description)
    const series = known?.[outcome]
    if (series) return series
    const { name, kind } = description
    const first = this.#seconds.series({ operation: name, kind, outcome })
    this.#series.set(description, { ...known, [outcome]: first })
    return first
  }

  /** Measures operations that go through all the steps of the pipeline. */
  plugin(): Plugin {
    const running = this.#running
    const answered = (context: object, result: Result): void => {
      const operation = running.get(context)
      if (!operation) return
      this.answered(operation.description, operation.startedMs, result, context)
    }
    return {
      onParse({ context }) {
        running.set(context, { startedMs: performance.now(), description: unread })
        return ({ result }) => {
          if (result instanceof Error) answered(context, { errors: [result] })
        }
      },
      onValidate({ context, params }) {
        const operation = running.get(context)
        return ({ valid, result }) => {
          if (valid && operation) operation.description = described(params.documentAST, context)
          if (!valid) answered(context, { errors: result })
        }
      },
      onExecute({ args }) {
        return {
          onExecuteDone({ result }) {
            answered(args.contextValue as object, result as Result)
          },
        }
      },
      onSubscribe({ args }) {
        return {
          onSubscribeResult({ result }) {
            answered(args.contextValue as object, Symbol.asyncIterator in (result as object) ? {} : (result as Result))
          },
          onSubscribeError({ error }) {
            answered(args.contextValue as object, { errors: [error] })
          },
        }
      },
    }
  }
}

const isEmpty = (data: unknown): boolean => Object.values(data as object).every((value) => value === null)

/** Describes the operation that is about to be executed. */
function described(document: DocumentNode, context: unknown): OperationDescription {
  const { params } = context as { params?: { operationName?: string | null } }
  const node = getOperationAST(document, params?.operationName)
  return node ? describeOperation(document, node) : unread
}

export function describeOperation(document: DocumentNode, node: OperationDefinitionNode): OperationDescription {
  const [only, ...others] = rootFields(node.selectionSet, document)
  return { name: only !== undefined && others.length === 0 ? only : 'several', kind: node.operation }
}

/** Looks into each fragment once: fragments that spread each other at many places would take exponential time. */
function rootFields(selections: SelectionSetNode, document: DocumentNode): Set<string> {
  const fields = new Set<string>()
  const seen = new Set<string>()
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === 'Field') fields.add(selection.name.value)
      else if (selection.kind === 'InlineFragment') collect(selection.selectionSet)
      else if (!seen.has(selection.name.value)) {
        seen.add(selection.name.value)
        for (const definition of document.definitions) {
          if (definition.kind === 'FragmentDefinition' && definition.name.value === selection.name.value) {
            collect(definition.selectionSet)
          }
        }
      }
    }
  }
  collect(selections)
  return fields
}
