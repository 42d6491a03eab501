import { type DocumentNode, Kind, OperationTypeNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { LRUCache } from 'lru-cache'
import { type Compilable, compilable } from './compiled-operations.ts'
import { documentBytes } from './document-bytes.ts'
import { describeOperation, type OperationDescription } from './operation-metrics.ts'

/** A query or mutation that is parsed and valid. */
export interface PreparedOperation extends Compilable {
  readonly description: OperationDescription
}

interface Entry {
  readonly document: DocumentNode
  /** By the operation name of a request; null: it names none. */
  readonly operations: ReadonlyMap<string | null, PreparedOperation>
}

/** By estimate. */
const maxBytes = 32 * 1024 * 1024

/**
 * Caches documents that the pipeline has parsed and found valid, by their text. They are bounded by how much memory
 * they take, since clients choose the texts. Documents that are not valid are not kept: their errors take several times
 * as much.
 */
export class PreparedDocuments {
  readonly #entries = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: ({ document }) => documentBytes(document),
  })

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  /** The operation that a request asks for, if all that remains is to execute it. */
  operation(text: string, name: string | null): PreparedOperation | undefined {
    return this.#entries.get(text)?.operations.get(name)
  }

  get(text: string): DocumentNode | undefined {
    return this.#entries.get(text)?.document
  }

  /** Keeps every document that is found valid, on any transport. */
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
