import SchemaBuilder, { brandWithType } from '@pothos/core'
import RelayPlugin from '@pothos/plugin-relay'
import type { Context } from '../resolvers/context.ts'
import { boundedIds } from '../resolvers/node.ts'
import { node, nodes, passedEntries, passing } from './price/price.ts'

/**
 * Brands a node with its type. The plugin brands it only for the field that asked first, but hands the same object to
 * other fields of the operation, perhaps before that.
 */
async function branded(found: unknown, id: { readonly typename: string } | undefined): Promise<unknown> {
  const node = await found
  if (id) brandWithType(node, id.typename as never)
  return node
}

/** Defines no types: each file of this folder adds the types of one concept. All times are epoch milliseconds. */
export const builder = new SchemaBuilder<{
  Context: Context
  DefaultFieldNullability: false
  DefaultEdgesNullability: false
  DefaultNodeNullability: false
  Scalars: {
    Symbol: { Input: string; Output: string }
    DateTime: { Input: number; Output: number }
    EpochSeconds: { Input: number; Output: number }
    BigInt: { Input: number; Output: number }
    Date: { Input: string; Output: string }
    JSON: { Input: unknown; Output: unknown }
  }
}>({
  plugins: [RelayPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    nodeQueryOptions: {
      extensions: node,
      resolve: (_root, { id }, _context, _info, resolveNode) => branded(resolveNode(id), id),
    },
    nodesQueryOptions: {
      extensions: nodes,
      resolve: async (_root, { ids }, _context, _info, resolveNodes) => {
        // It ignores what it is given: it reads the ids from the arguments of the field, and loads each once.
        const nodes = await resolveNodes(boundedIds(ids))
        return nodes.map((node, i) => branded(node, ids[i]))
      },
    },
    edgesFieldOptions: { nullable: false, extensions: passedEntries },
    nodeFieldOptions: { nullable: false, extensions: passing },
  },
})

builder.queryType()
builder.mutationType()
builder.subscriptionType()
