import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getOperationAST, parse } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { RenderedUpdate } from '../connections/message-writer.ts'
import { type Compilable, type CompiledOperations, compilable } from '../pipeline/compiled-operations.ts'
import { interpret } from '../pipeline/interpreter.ts'
import { boundedErrors } from '../pipeline/limits.ts'
import { shownError } from '../pipeline/mask-error.ts'
import { ByteSlabs } from './byte-slabs.ts'

/** How many bytes of executed updates are cached for clients that come to them late. */
const maxCacheBytes = 16 * 1024 * 1024
/** Measured: the size of an entry beside its text, with the update and the quote that it may be the last to hold. */
const bytesPerEntry = 800
/** An execution holds its last update, and so one slab. */
const slabBytes = 4096

export interface SharedExecutionOptions {
  readonly mask: (error: unknown) => GraphQLError
  /** Called for each update that is executed. */
  readonly executed: () => void
  readonly compiled: CompiledOperations
}

interface ExecutedUpdate extends RenderedUpdate {
  /** The payload. */
  readonly text: string
  /** Errors name places in the document as one client has written it. */
  readonly hasErrors: boolean
}

/** An update that is executed or being executed. */
interface Execution {
  readonly update: PriceUpdate
  result: ExecutedUpdate | Promise<ExecutedUpdate>
}

/** Only text: bytes would keep their slab alive, which takes many times as much memory as they do. */
type CachedUpdate = Omit<ExecutedUpdate, 'payload'>

/**
 * The newest update of each symbol as each execution renders it, for clients that catch up. One bound for all
 * executions.
 */
export class RenderedPriceCache {
  readonly #updates = new LRUCache<string, CachedUpdate>({
    maxSize: maxCacheBytes,
    sizeCalculation: ({ text }) => 2 * text.length + bytesPerEntry,
  })
  readonly #slabs = new ByteSlabs(slabBytes)
  #executions = 0

  newExecutionId(): number {
    return this.#executions++
  }

  get(executionId: number, update: PriceUpdate): ExecutedUpdate | undefined {
    const cached = this.#updates.get(`${executionId} ${update.quote.symbol}`)
    return cached?.update === update ? this.render(cached) : undefined
  }

  set(executionId: number, { update, text, hasErrors }: ExecutedUpdate): void {
    this.#updates.set(`${executionId} ${update.quote.symbol}`, { update, text, hasErrors })
  }

  render({ update, text, hasErrors }: CachedUpdate): ExecutedUpdate {
    return { update, payload: this.#slabs.bytesOf(text), text, hasErrors }
  }
}

/** Executes each price update once, for all clients whose subscriptions show it alike. */
export class SharedExecution {
  /** The document as the first of these clients has written it. */
  readonly source: string
  readonly #args: ExecutionArgs
  readonly #operation: Compilable
  readonly #options: SharedExecutionOptions
  readonly #cache: RenderedPriceCache
  readonly #id: number
  #last: Execution | undefined
  /** The last update whose errors were located in another client's document. */
  #lastElsewhere: (Execution & { readonly source: string }) | undefined

  constructor(args: ExecutionArgs, options: SharedExecutionOptions, cache: RenderedPriceCache) {
    this.source = args.document.loc?.source.body ?? ''
    this.#args = args
    const operation = getOperationAST(args.document, args.operationName)
    if (!operation) throw new Error('the document of a subscription that has begun has its operation')
    this.#operation = compilable(args.document, operation)
    this.#options = options
    this.#cache = cache
    this.#id = cache.newExecutionId()
  }

  /** Renders the update for a client that has written the document as `source`. Never rejects. */
  rendered(update: PriceUpdate, source: string): RenderedUpdate | Promise<RenderedUpdate> {
    const rendered = this.#rendered(update)
    if (source === this.source) return rendered
    if (rendered instanceof Promise) return rendered.then((executed) => this.#locatedIn(source, executed))
    return this.#locatedIn(source, rendered)
  }

  #rendered(update: PriceUpdate): ExecutedUpdate | Promise<ExecutedUpdate> {
    if (this.#last?.update === update) return this.#last.result
    const cached = this.#cache.get(this.#id, update)
    const execution: Execution = { update, result: cached ?? this.#execute(update) }
    this.#last = execution
    if (cached) return cached
    if (!(execution.result instanceof Promise)) {
      this.#cache.set(this.#id, execution.result)
      return execution.result
    }
    return execution.result.then((executed) => {
      execution.result = executed
      this.#cache.set(this.#id, executed)
      return executed
    })
  }

  /**
   * Errors name their places in the document, so an update with errors is executed again for a document written
   * otherwise.
   */
  #locatedIn(source: string, executed: ExecutedUpdate): ExecutedUpdate | Promise<ExecutedUpdate> {
    if (!executed.hasErrors) return executed
    const { update } = executed
    const last = this.#lastElsewhere
    if (last?.update === update && last.source === source) return last.result
    const result = this.#interpret({ ...this.#args, document: parse(source) }, update)
    this.#lastElsewhere = { update, source, result }
    return result
  }

  #execute(update: PriceUpdate): ExecutedUpdate | Promise<ExecutedUpdate> {
    const compiled = this.#options.compiled.find(this.#operation)
    if (!compiled) return this.#interpret(this.#args, update)
    this.#options.executed()
    // Compiled operations may report errors otherwise than the interpreter.
    const interpreted = () => this.#interpret(this.#args, update)
    const settled = (result: ExecutionResult) => (result.errors ? interpreted() : this.#render(update, result))
    const result = compiled(update, this.#args.contextValue, this.#args.variableValues ?? {})
    return result instanceof Promise ? result.then(settled, interpreted) : settled(result)
  }

  #interpret(args: ExecutionArgs, update: PriceUpdate): ExecutedUpdate | Promise<ExecutedUpdate> {
    this.#options.executed()
    const result = interpret({ ...args, rootValue: update })
    if (!(result instanceof Promise)) return this.#render(update, result)
    return result.then(
      (result) => this.#render(update, result),
      (error: unknown) => this.#render(update, { errors: [error as GraphQLError] }),
    )
  }

  #render(update: PriceUpdate, { errors, ...result }: ExecutionResult): ExecutedUpdate {
    const show = (error: GraphQLError) => shownError(this.#options.mask(error))
    const shown = errors ? { ...result, errors: boundedErrors(errors).map(show) } : result
    return this.#cache.render({ update, text: `${JSON.stringify(shown)}}`, hasErrors: errors !== undefined })
  }
}
