import { type DocumentNode, Kind, OperationTypeNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { LRUCache } from 'lru-cache'
import { type Compilable, compilable } from './compiled-operations.ts'
import { documentBytes } from './document-bytes.ts'
import { describeOperation, type OperationDescription } from './operation-metrics.ts'

/** A query or mutation that the pipeline has parsed and found valid. */
export interface PreparedOperation extends Compilable {
  readonly description: OperationDescription
}

interface Entry {
  readonly document: DocumentNode
  /** By operation name; null: where a request names none. */
  readonly operations: ReadonlyMap<string | null, PreparedOperation>
}

/** In bytes, by estimate. */
const maxSize = 32 * 1024 * 1024

/**
 * Documents by their text, as the pipeline has parsed them and found them valid. Bounded by how much memory they take: texts are
 * chosen by clients. What is not valid is not kept, for its errors take several times as much.
 */
export class PreparedDocuments {
  readonly #entries = new LRUCache<string, Entry>({
    maxSize,
    sizeCalculation: ({ document }) => documentBytes(document),
  })

  /** The operation that a request asks for, where it needs no more than to be executed. */
  operation(text: string, name: string | null): PreparedOperation | undefined {
    return this.#entries.get(text)?.operations.get(name)
  }

  get(text: string): DocumentNode | undefined {
    return this.#entries.get(text)?.document
  }

  /** Keeps what is found valid, on whatever transport. */
  plugin(): Plugin {
    return {
      onValidate: ({ params }) => {
        const document = params.documentAST as DocumentNode
        const text = document.loc?.source.body
        if (text === undefined || this.#entries.peek(text)) return
        return ({ valid }) => {
          if (valid) this.#entries.set(text, { document, operations: operationsOf(document) })
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
