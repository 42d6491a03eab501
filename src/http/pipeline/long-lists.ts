import {
  type DocumentNode,
  type ExecutionResult,
  type GraphQLFieldConfigMap,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLSchema,
  getNullableType,
  isListType,
  isObjectType,
  Kind,
  OperationTypeNode,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../../platform/concurrency/event-loop-turns.ts'
import type { Context, LaterLists } from '../../resolvers/context.ts'
import { leastLongLength } from '../../resolvers/long-lists.ts'
import { turns } from '../../resolvers/rows.ts'
import { stringify, WrittenList } from '../../resolvers/written-list.ts'
import { type CompiledOperation, compile } from './compiled-operations.ts'

/** How many entries are written between two looks at the clock at most, and how many characters by estimate. */
const entriesPerPiece = 128
const pieceLength = 64 * 1024

/** How many entries to write next, after so many of the same list have taken so many characters. */
const nextCount = (count: number, length: number): number =>
  Math.max(1, Math.min(entriesPerPiece, Math.floor((count * pieceLength) / (length + 1))))

/** How many fields have the completing of their entries compiled at most. */
const maxCompiled = 200

interface CompiledEntries {
  readonly operation: GraphQLResolveInfo['operation']
  readonly nodes: GraphQLResolveInfo['fieldNodes']
  /** The root value is a part of the list. */
  readonly run: CompiledOperation
}

/**
 * Compiles what completes long lists of compiled operations in turns of the event loop: for each field an operation that
 * selects of some entries what the field selects.
 */
export class EntriesOperations {
  readonly #schema: EntriesSchema
  /** By the first place in the document that selects the field. */
  readonly #compiled = new LRUCache<object, CompiledEntries>({ max: maxCompiled })

  constructor(schema: GraphQLSchema) {
    this.#schema = new EntriesSchema(schema)
  }

  /** Whether the field is one of entries. */
  has({ schema }: GraphQLResolveInfo): boolean {
    return this.#schema.is(schema)
  }

  of({ fieldNodes, returnType, operation, fragments }: GraphQLResolveInfo): CompiledOperation {
    const [first] = fieldNodes
    if (!first) throw new Error('a field is selected somewhere')
    const known = this.#compiled.get(first)
    // A place in a fragment may belong to several operations, and be merged with other places here and there.
    const isSame = known?.operation === operation && known.nodes.length === fieldNodes.length
    if (isSame && known.nodes.every((node, i) => node === fieldNodes[i])) return known.run
    const { schema, fieldOf } = this.#schema
    const name = { kind: Kind.NAME, value: fieldOf(returnType) } as const
    const alias = { kind: Kind.NAME, value: 'entries' } as const
    const document: DocumentNode = {
      kind: Kind.DOCUMENT,
      definitions: [
        {
          kind: Kind.OPERATION_DEFINITION,
          operation: OperationTypeNode.QUERY,
          variableDefinitions: operation.variableDefinitions,
          selectionSet: {
            kind: Kind.SELECTION_SET,
            selections: fieldNodes.map(({ selectionSet }) => ({ kind: Kind.FIELD, alias, name, selectionSet })),
          },
        },
        ...Object.values(fragments),
      ],
    }
    const run = compile(schema, document)
    if (!run) throw new Error('what an operation selects of entries can be compiled as the operation was')
    this.#compiled.set(first, { operation, nodes: fieldNodes, run })
    return run
  }
}

/** The schema with a root type that has a field for each type of lists. */
class EntriesSchema {
  readonly #schema: GraphQLSchema
  readonly #fields = new Map<string, string>()
  #entries: GraphQLSchema | undefined

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** Made when it is first needed. */
  get schema(): GraphQLSchema {
    this.#entries ??= this.#make()
    return this.#entries
  }

  is(schema: GraphQLSchema): boolean {
    return schema === this.#entries
  }

  readonly fieldOf = (listType: GraphQLOutputType): string =>
    this.#fields.get(String(getNullableType(listType))) as string

  #make(): GraphQLSchema {
    const fields: GraphQLFieldConfigMap<unknown, unknown> = {}
    for (const type of Object.values(this.#schema.getTypeMap())) {
      if (!isObjectType(type)) continue
      for (const { type: returns } of Object.values(type.getFields())) {
        const listType = getNullableType(returns)
        if (!isListType(listType) || this.#fields.has(String(listType))) continue
        const name = `list${this.#fields.size}`
        this.#fields.set(String(listType), name)
        fields[name] = { type: listType, resolve: (entries) => entries }
      }
    }
    const query = new GraphQLObjectType({ name: 'Entries', fields })
    return new GraphQLSchema({
      ...this.#schema.toConfig(),
      query,
      mutation: null,
      subscription: null,
      assumeValid: true,
    })
  }
}

/** The long lists of one run of a compiled operation, which are completed and written beside it. */
export class LongLists implements LaterLists {
  readonly #operations: EntriesOperations
  readonly #context: Context
  readonly #variables: Record<string, unknown>
  #isStopped = false
  readonly #lists: { readonly info: GraphQLResolveInfo; readonly written: Promise<WrittenList | null> }[] = []

  constructor(operations: EntriesOperations, context: Context, variables: Record<string, unknown>) {
    this.#operations = operations
    this.#context = context
    this.#variables = variables
  }

  /** The result is not of use: the lists are left as they are. */
  stop(): void {
    this.#isStopped = true
  }

  /** How many there are so far. */
  get count(): number {
    return this.#lists.length
  }

  take(list: readonly unknown[], info: GraphQLResolveInfo): boolean {
    // Lists in the entries of a list are completed with them.
    if (this.#operations.has(info)) return false
    const written = this.#write(list, info)
    // It is waited for when the operation has run.
    written.catch(() => {})
    this.#lists.push({ info, written })
    return true
  }

  /** Puts the lists into the result of the operation. false: an entry has an error. */
  async fill({ data }: ExecutionResult): Promise<boolean> {
    for (const { info, written } of this.#lists) {
      const list = await written
      if (!list) return false
      place(data, info.path, [list])
    }
    return true
  }

  /** null: an entry has an error. */
  async #write(list: readonly unknown[], info: GraphQLResolveInfo): Promise<WrittenList | null> {
    const run = this.#operations.of(info)
    const pieces: string[] = []
    const add = ({ data, errors }: ExecutionResult): boolean => {
      if (errors) return false
      const piece = stringify(data?.entries).slice(1, -1)
      pieces.push(piece)
      count = nextCount(count, piece.length)
      return true
    }
    let [from, count] = [0, 1]
    /** false: an entry has an error. A promise: of entries that wait for something. */
    const some = (untilMs: number): boolean | { readonly result: Promise<ExecutionResult> } => {
      do {
        const result = run(list.slice(from, from + count), this.#context, this.#variables)
        from += count
        if (result instanceof Promise) return { result }
        if (!add(result)) return false
      } while (from < list.length && turns.now() < untilMs)
      return true
    }
    while (from < list.length && !this.#isStopped) {
      const added = await turns.goOn(this.#context.caller, some, 'lists')
      if (!(typeof added === 'object' ? add(await added.result) : added)) return null
    }
    return new WrittenList(pieces, list.length)
  }
}

/** Sets what a result has at the path of a field. */
function place(data: unknown, { prev, key }: GraphQLResolveInfo['path'], value: unknown): void {
  const parent = prev ? at(data, prev) : data
  ;(parent as Record<string | number, unknown>)[key] = value
}

function at(data: unknown, { prev, key }: GraphQLResolveInfo['path']): unknown {
  const parent = prev ? at(data, prev) : data
  return (parent as Record<string | number, unknown>)[key]
}

/** Puts the JSON of long lists into an interpreted result, made in turns of the event loop. */
export class ResultWriter {
  readonly #caller: Caller
  #untilMs = 0

  constructor(caller: Caller) {
    this.#caller = caller
  }

  /** Returns a copy of what changes: a value of a scalar may be an object that others hold, too. */
  async write<T extends object>(value: T): Promise<T> {
    if (turns.now() >= this.#untilMs) this.#untilMs = await turns.whole(this.#caller, { isFirst: false })
    const parent = value as Record<string, unknown>
    const changes: [key: string, written: unknown][] = []
    for (const key in parent) {
      const each = parent[key]
      if (typeof each !== 'object' || each === null) continue
      const written = holdsObjects(each) ? await this.write(each) : each
      if (Array.isArray(written) && written.length >= leastLongLength) {
        changes.push([key, [new WrittenList(await this.#piecesOf(written), written.length)]])
      } else if (written !== each) changes.push([key, written])
    }
    if (changes.length === 0) return value
    const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
    for (const [key, written] of changes) copy[key] = written
    return copy as T
  }

  async #piecesOf(list: readonly unknown[]): Promise<string[]> {
    const pieces: string[] = []
    for (let from = 0, count = 1; from < list.length; ) {
      if (turns.now() >= this.#untilMs) this.#untilMs = await turns.whole(this.#caller, { isFirst: false })
      const piece = stringify(list.slice(from, from + count)).slice(1, -1)
      pieces.push(piece)
      from += count
      count = nextCount(count, piece.length)
    }
    return pieces
  }
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

/** Whether what an object or a list is written with may be long: entries of a list are alike. */
function holdsObjects(value: object): boolean {
  const entries = Array.isArray(value) ? value.slice(0, leastLongLength) : [value]
  return entries.some((entry) => isObject(entry) && Object.values(entry).some(isObject))
}
