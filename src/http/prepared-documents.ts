import { type DocumentNode, Kind, OperationTypeNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { LRUCache } from 'lru-cache'
import { type Compilable, compilable } from './compiled-operations.ts'
import { describeOperation, type OperationDescription } from './operation-metrics.ts'

/** A query or mutation that the pipeline has parsed and found valid. */
export interface PreparedOperation extends Compilable {
  readonly description: OperationDescription
}

interface Entry {
  readonly document: DocumentNode
  /** By operation name; null: where a request names none. Absent as long as the document has not been found valid. */
  operations?: ReadonlyMap<string | null, PreparedOperation>
}

/** In bytes, by estimate. */
const maxSize = 64 * 1024 * 1024
/** A syntax tree keeps its tokens. Measured on trees of short names: each token takes so much, with its share of the nodes. */
const bytesPerToken = 450

/**
 * Documents by their text, as the pipeline has parsed them, and which of them it has found valid. Bounded by how much memory
 * they take: texts are chosen by clients.
 */
export class PreparedDocuments {
  readonly #entries = new LRUCache<string, Entry>({ maxSize, sizeCalculation: sizeOf })

  /** The operation that a request asks for, where it needs no more than to be executed. */
  operation(text: string, name: string | null): PreparedOperation | undefined {
    return this.#entries.get(text)?.operations?.get(name)
  }

  get(text: string): DocumentNode | undefined {
    return this.#entries.get(text)?.document
  }

  set(text: string, document: DocumentNode): void {
    this.#entries.set(text, { document })
  }

  /** Marks what has been found valid, on whatever transport. */
  plugin(): Plugin {
    return {
      onValidate: ({ params: { documentAST } }) => {
        const text = (documentAST as DocumentNode).loc?.source.body
        const entry = text === undefined ? undefined : this.#entries.peek(text)
        if (!entry || entry.operations || entry.document !== documentAST) return
        return ({ valid }) => {
          if (valid) entry.operations = operationsOf(entry.document)
        }
      },
    }
  }
}

function operationsOf(document: DocumentNode): Map<string | null, PreparedOperation> {
  const nodes = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const operations = new Map<string | null, PreparedOperation>()
  for (const node of nodes) {
    if (node.operation === OperationTypeNode.SUBSCRIPTION) continue
    const operation = { ...compilable(document, node), description: describeOperation(document, node) }
    if (node.name) operations.set(node.name.value, operation)
    if (nodes.length === 1) operations.set(null, operation)
  }
  return operations
}

function sizeOf({ document }: Entry, text: string): number {
  let tokens = 0
  for (let token = document.loc?.startToken; token; token = token.next ?? undefined) tokens++
  return 2 * text.length + bytesPerToken * tokens
}
