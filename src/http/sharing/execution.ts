import {
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type GraphQLError,
  parse,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import type { PriceUpdate } from '../../domain/price-update.ts'
import type { RenderedUpdate } from '../connections/message-writer.ts'
import { type Compilable, type CompiledOperations, compilable } from '../pipeline/compiled-operations.ts'
import { boundedErrors } from '../pipeline/limits.ts'
import { shownError } from '../pipeline/mask-error.ts'
import { ByteSlabs } from './byte-slabs.ts'

/** Of what was executed, how much is kept for readers who come to it late, in bytes. */
const maxKept = 16 * 1024 * 1024
/** Measured: what an entry takes beside its text, with the update and the quote that it may be the last to hold. */
const bytesPerEntry = 800
/** An execution holds on to its last event, and so to one slab. */
const slabBytes = 4096

export interface SharedExecutionOptions {
  readonly mask: (error: unknown) => GraphQLError
  /** An update was executed. */
  readonly executed: () => void
  readonly compiled: CompiledOperations
}

/** An update as it is shown, or will be. */
interface Shown {
  readonly update: PriceUpdate
  rendered: RenderedEvent | Promise<RenderedEvent>
}

interface RenderedEvent extends RenderedUpdate {
  /** What the payload says. */
  readonly text: string
  /** Its errors name places in the document as one client wrote it. */
  readonly hasErrors: boolean
}

/** As text: bytes would keep the slab alive that they are in, with many times as much memory as they take themselves. */
type KeptEvent = Omit<RenderedEvent, 'payload'>

/** The newest price of each symbol as each execution shows it, for readers who catch up: bounded over all of them. */
export class RenderedPrices {
  readonly #events = new LRUCache<string, KeptEvent>({
    maxSize: maxKept,
    sizeCalculation: ({ text }) => 2 * text.length + bytesPerEntry,
  })
  readonly #slabs = new ByteSlabs(slabBytes)
  #executions = 0

  /** Each execution has a name of its own. */
  nextName(): number {
    return this.#executions++
  }

  get(execution: number, update: PriceUpdate): RenderedEvent | undefined {
    const event = this.#events.get(`${execution} ${update.quote.symbol}`)
    return event?.update === update ? this.render(event) : undefined
  }

  keep(execution: number, { update, text, hasErrors }: RenderedEvent): void {
    this.#events.set(`${execution} ${update.quote.symbol}`, { update, text, hasErrors })
  }

  render({ update, text, hasErrors }: KeptEvent): RenderedEvent {
    return { update, payload: this.#slabs.bytesOf(text), text, hasErrors }
  }
}

/** Executes price updates for all clients whose subscriptions show them alike, each once. */
export class SharedExecution {
  /** The document as the client wrote it that came first. */
  readonly source: string
  readonly #args: ValidatedSubscriptionArgs
  readonly #given: ExecutionArgs
  readonly #operation: Compilable
  readonly #options: SharedExecutionOptions
  readonly #kept: RenderedPrices
  readonly #name: number
  #last: Shown | undefined
  /** An update whose errors were located in another client's document. */
  #lastElsewhere: (Shown & { readonly source: string }) | undefined

  constructor(args: ExecutionArgs, options: SharedExecutionOptions, kept: RenderedPrices) {
    this.source = args.document.loc?.source.body ?? ''
    this.#given = args
    this.#args = validated(args)
    this.#operation = compilable(args.document, this.#args.operation)
    this.#options = options
    this.#kept = kept
    this.#name = kept.nextName()
  }

  /** The update as it is shown to a client that has written the document so. Never rejects. */
  rendered(update: PriceUpdate, source: string): RenderedUpdate | Promise<RenderedUpdate> {
    const rendered = this.#rendered(update)
    if (source === this.source) return rendered
    if (rendered instanceof Promise) return rendered.then((event) => this.#locatedIn(source, event))
    return this.#locatedIn(source, rendered)
  }

  #rendered(update: PriceUpdate): RenderedEvent | Promise<RenderedEvent> {
    if (this.#last?.update === update) return this.#last.rendered
    const known = this.#kept.get(this.#name, update)
    const shown: Shown = { update, rendered: known ?? this.#run(update) }
    this.#last = shown
    if (known) return known
    if (!(shown.rendered instanceof Promise)) {
      this.#kept.keep(this.#name, shown.rendered)
      return shown.rendered
    }
    return shown.rendered.then((event) => {
      shown.rendered = event
      this.#kept.keep(this.#name, event)
      return event
    })
  }

  /** Errors say where in the document they are. */
  #locatedIn(source: string, event: RenderedEvent): RenderedEvent | Promise<RenderedEvent> {
    if (!event.hasErrors) return event
    const last = this.#lastElsewhere
    if (last?.update === event.update && last.source === source) return last.rendered
    const rendered = this.#execute(validated({ ...this.#given, document: parse(source) }), event.update)
    this.#lastElsewhere = { update: event.update, source, rendered }
    return rendered
  }

  #run(update: PriceUpdate): RenderedEvent | Promise<RenderedEvent> {
    const asCompiled = this.#options.compiled.find(this.#operation)
    if (!asCompiled) return this.#execute(this.#args, update)
    this.#options.executed()
    // Errors are the interpreter's to tell.
    const interpreted = () => this.#execute(this.#args, update)
    const settled = (result: ExecutionResult) => (result.errors ? interpreted() : this.#render(update, result))
    const result = asCompiled(update, this.#args.contextValue, this.#given.variableValues ?? {})
    return result instanceof Promise ? result.then(settled, interpreted) : settled(result)
  }

  #execute(args: ValidatedSubscriptionArgs, update: PriceUpdate): RenderedEvent | Promise<RenderedEvent> {
    this.#options.executed()
    const result = executeSubscriptionEvent({ ...args, rootValue: update })
    if (!(result instanceof Promise)) return this.#render(update, result)
    return result.then(
      (result) => this.#render(update, result),
      (error: unknown) => this.#render(update, { errors: [error as GraphQLError] }),
    )
  }

  #render(update: PriceUpdate, { errors, ...result }: ExecutionResult): RenderedEvent {
    const show = (error: GraphQLError) => shownError(this.#options.mask(error))
    const shown = errors ? { ...result, errors: boundedErrors(errors).map(show) } : result
    return this.#kept.render({ update, text: `${JSON.stringify(shown)}}`, hasErrors: errors !== undefined })
  }
}

function validated(args: ExecutionArgs): ValidatedSubscriptionArgs {
  const found = validateSubscriptionArgs(args)
  if (!('schema' in found)) throw new Error('what was executed before cannot be executed again')
  return found
}
