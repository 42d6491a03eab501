import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getOperationAST } from 'graphql'
import type { Context } from '../../resolvers/context.ts'
import { type Compilable, type CompiledOperations, compilable } from '../pipeline/compiled-operations.ts'
import { interpret } from '../pipeline/interpreter.ts'
import { boundedErrors } from '../pipeline/limits.ts'
import { shownError } from '../pipeline/mask-error.ts'

export interface ExecutorOptions {
  readonly mask: (error: unknown) => GraphQLError
  /** Called for each event that is executed, with its context. */
  readonly executed: (context: Context) => void
  readonly compiled: CompiledOperations
}

/** The result of one event, as it ends a message: the payload's JSON and the brace that closes the message. */
export interface ExecutedEvent {
  readonly text: string
  /** Errors name places in the document as one client has written it. */
  readonly hasErrors: boolean
}

/** Executes events of a subscription, compiled where it can be. */
export class EventExecutor {
  readonly #args: ExecutionArgs
  readonly #operation: Compilable
  readonly #options: ExecutorOptions

  constructor(args: ExecutionArgs, options: ExecutorOptions) {
    this.#args = args
    const operation = getOperationAST(args.document, args.operationName)
    if (!operation) throw new Error('the document of a subscription that has begun has its operation')
    this.#operation = compilable(args.document, operation)
    this.#options = options
  }

  /** Never rejects. */
  execute(event: unknown): ExecutedEvent | Promise<ExecutedEvent> {
    const compiled = this.#options.compiled.find(this.#operation)
    if (!compiled) return this.interpret(event)
    this.#options.executed(this.#args.contextValue as Context)
    // Compiled operations may report errors otherwise than the interpreter.
    const interpreted = () => this.interpret(event)
    const settled = (result: ExecutionResult) => (result.errors ? interpreted() : this.#shown(result))
    const result = compiled(event, this.#args.contextValue, this.#args.variableValues ?? {})
    return result instanceof Promise ? result.then(settled, interpreted) : settled(result)
  }

  /** `document`: that of the operation, or the same as another client has written it. Never rejects. */
  interpret(event: unknown, document = this.#args.document): ExecutedEvent | Promise<ExecutedEvent> {
    this.#options.executed(this.#args.contextValue as Context)
    const result = interpret({ ...this.#args, document, rootValue: event })
    if (!(result instanceof Promise)) return this.#shown(result)
    return result.then(
      (result) => this.#shown(result),
      (error: unknown) => this.#shown({ errors: [error as GraphQLError] }),
    )
  }

  #shown({ errors, ...result }: ExecutionResult): ExecutedEvent {
    const show = (error: GraphQLError) => shownError(this.#options.mask(error))
    const shown = errors ? { ...result, errors: boundedErrors(errors).map(show) } : result
    return { text: `${JSON.stringify(shown)}}`, hasErrors: errors !== undefined }
  }
}
