import { constants, deflateRawSync } from 'node:zlib'
import { type ExecutionArgs, getOperationAST, Kind, parse } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { RenderedUpdate } from '../connections/message-writer.ts'
import { EventExecutor, type ExecutedEvent, type ExecutorOptions } from './executor.ts'

type Batch = readonly PriceUpdate[]

/** How many bytes of entries, and of batches, are kept for clients that get them, too. */
const maxBytes = 16 * 1024 * 1024
/** By estimate: an entry beside its text, with the update that it may be the last to hold. */
const bytesPerEntry = 800

/** What stands behind the entries of a batch in its message. */
const end = ']}}}'

/** A batch as the payload of a message, for all who get it. */
class RenderedBatch implements RenderedUpdate {
  /** Its newest. */
  readonly update: PriceUpdate
  readonly payload: Buffer
  readonly hasErrors: boolean
  #deflated: Buffer | undefined

  constructor(batch: Batch, { text, hasErrors }: ExecutedEvent) {
    this.update = batch.at(-1) as PriceUpdate
    this.payload = Buffer.from(text)
    this.hasErrors = hasErrors
  }

  /** Compressed once, however many get it. */
  get deflated(): Buffer {
    this.#deflated ??= deflateRawSync(this.payload, deflateOptions)
    return this.#deflated
  }
}

/** Ends with an empty block, as permessage-deflate wants it (RFC 7692, 7.2.1). */
const deflateOptions = { level: 5, finishFlush: constants.Z_SYNC_FLUSH }

interface Entry {
  readonly update: PriceUpdate
  readonly text: string
}

interface Rendering {
  readonly batch: Batch
  /** The document as the client has written it: errors name places in it. */
  readonly source: string
  readonly result: RenderedBatch | Promise<RenderedBatch>
}

/** What was rendered last, with one bound for all executions. */
export class RenderedBatchCache {
  readonly entries = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: ({ text }) => 2 * text.length + bytesPerEntry,
  })
  readonly batches = new LRUCache<string, Rendering>({
    maxSize: maxBytes,
    sizeCalculation: ({ batch, result }) =>
      batch.length * bytesPerEntry + (result instanceof Promise ? 0 : 2 * result.payload.length),
  })
  #executions = 0

  get bytes(): number {
    return this.entries.calculatedSize + this.batches.calculatedSize
  }

  newExecutionId(): number {
    return this.#executions++
  }
}

/**
 * Executes batches for all clients whose subscriptions show them alike. Each update is executed once, and a batch is
 * put together of its entries; a batch that many clients get is put together once.
 */
export class BatchExecution {
  /** The document as the first of these clients has written it. */
  readonly source: string
  readonly #executor: EventExecutor
  readonly #cache: RenderedBatchCache
  readonly #id: number
  /** What stands before the entries. */
  readonly #beginning: string
  /** Whether the entries of a batch are there at once. Those that have to be loaded are loaded together. */
  #isAtOnce = true

  constructor(args: ExecutionArgs, options: ExecutorOptions, cache: RenderedBatchCache) {
    this.source = args.document.loc?.source.body ?? ''
    this.#executor = new EventExecutor(args, options)
    this.#cache = cache
    this.#id = cache.newExecutionId()
    const [root] = getOperationAST(args.document, args.operationName)?.selectionSet.selections ?? []
    if (root?.kind !== Kind.FIELD) throw new Error('an operation that is shared has one root field')
    this.#beginning = `{"data":{${JSON.stringify((root.alias ?? root.name).value)}:[`
  }

  /** Renders the batch for a client that has written the document as `source`. Never rejects. */
  rendered(batch: Batch, source: string): RenderedBatch | Promise<RenderedBatch> {
    const rendered = this.#recently(batch, this.source) ?? this.#render(batch)
    if (source === this.source) return rendered
    const located = (rendered: RenderedBatch): RenderedBatch | Promise<RenderedBatch> => {
      if (!rendered.hasErrors) return rendered
      return this.#recently(batch, source) ?? this.#interpret(batch, source)
    }
    return rendered instanceof Promise ? rendered.then(located) : located(rendered)
  }

  #recently(batch: Batch, source: string): Rendering['result'] | undefined {
    const known = this.#cache.batches.get(this.#keyOf(batch))
    return known && known.source === source && isSame(known.batch, batch) ? known.result : undefined
  }

  /** Batches that differ may have the same key: the later one is kept. */
  #keyOf(batch: Batch): string {
    return `${this.#id} ${batch.length} ${batch[0]?.quote.symbol} ${batch.at(-1)?.quote.symbol}`
  }

  #render(batch: Batch): RenderedBatch | Promise<RenderedBatch> {
    const text = this.#joined(batch)
    if (text === undefined) return this.#interpret(batch, this.source)
    return this.#remember(batch, this.source, new RenderedBatch(batch, { text, hasErrors: false }))
  }

  /** undefined: not all entries are there at once and without errors. */
  #joined(batch: Batch): string | undefined {
    if (!this.#isAtOnce) return undefined
    const parts: string[] = []
    for (const update of batch) {
      const entry = this.#entry(update)
      if (entry === undefined) return undefined
      parts.push(entry)
    }
    return `${this.#beginning}${parts.join(',')}${end}`
  }

  #entry(update: PriceUpdate): string | undefined {
    const key = `${this.#id} ${update.quote.symbol}`
    const known = this.#cache.entries.get(key)
    if (known?.update === update) return known.text
    const executed = this.#executor.execute([update])
    if (executed instanceof Promise) {
      this.#isAtOnce = false
      return undefined
    }
    if (executed.hasErrors) return undefined
    const text = executed.text.slice(this.#beginning.length, -end.length)
    this.#cache.entries.set(key, { update, text })
    return text
  }

  #interpret(batch: Batch, source: string): RenderedBatch | Promise<RenderedBatch> {
    const executed =
      source === this.source ? this.#executor.execute(batch) : this.#executor.interpret(batch, parse(source))
    if (!(executed instanceof Promise)) return this.#remember(batch, source, new RenderedBatch(batch, executed))
    return this.#remember(
      batch,
      source,
      executed.then((executed) => new RenderedBatch(batch, executed)),
    )
  }

  #remember<T extends Rendering['result']>(batch: Batch, source: string, result: T): T {
    const key = this.#keyOf(batch)
    const rendering: Rendering = { batch, source, result }
    this.#cache.batches.set(key, rendering)
    if (result instanceof Promise) {
      void result.then((rendered) => {
        if (this.#cache.batches.peek(key) === rendering) {
          this.#cache.batches.set(key, { batch, source, result: rendered })
        }
      })
    }
    return result
  }
}

const isSame = (one: Batch, other: Batch): boolean =>
  one.length === other.length && one.every((update, i) => update === other[i])
