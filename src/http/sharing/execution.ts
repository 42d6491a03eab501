import { type ExecutionArgs, parse } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { RenderedUpdate } from '../connections/message-writer.ts'
import { ByteSlabs } from './byte-slabs.ts'
import { EventExecutor, type ExecutedEvent, type ExecutorOptions } from './executor.ts'

/** How many bytes of executed updates are cached for clients that come to them late. */
const maxCacheBytes = 16 * 1024 * 1024
/** Measured: the size of an entry beside its text, with the update and the quote that it may be the last to hold. */
const bytesPerEntry = 800
/** An execution holds its last update, and so one slab. */
const slabBytes = 4096

interface ExecutedUpdate extends RenderedUpdate, ExecutedEvent {}

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

  get bytes(): number {
    return this.#updates.calculatedSize
  }

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
  readonly #executor: EventExecutor
  readonly #cache: RenderedPriceCache
  readonly #id: number
  #last: Execution | undefined
  /** The last update whose errors were located in another client's document. */
  #lastElsewhere: (Execution & { readonly source: string }) | undefined

  constructor(args: ExecutionArgs, options: ExecutorOptions, cache: RenderedPriceCache) {
    this.source = args.document.loc?.source.body ?? ''
    this.#executor = new EventExecutor(args, options)
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
    const execution: Execution = { update, result: cached ?? this.#render(update, this.#executor.execute(update)) }
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
    const result = this.#render(update, this.#executor.interpret(update, parse(source)))
    this.#lastElsewhere = { update, source, result }
    return result
  }

  #render(
    update: PriceUpdate,
    executed: ExecutedEvent | Promise<ExecutedEvent>,
  ): ExecutedUpdate | Promise<ExecutedUpdate> {
    if (executed instanceof Promise) return executed.then((executed) => this.#cache.render({ update, ...executed }))
    return this.#cache.render({ update, ...executed })
  }
}
