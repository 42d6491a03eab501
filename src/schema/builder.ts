import SchemaBuilder from '@pothos/core'
import RelayPlugin from '@pothos/plugin-relay'
import type { Context } from '../resolvers/context.ts'
import { boundedIds } from '../resolvers/node.ts'

/** Defines no types: each file of this folder adds those of one concept. Times are epoch milliseconds throughout. */
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
    JSON: { Input: unknown; Output: unknown }
  }
}>({
  plugins: [RelayPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    nodesQueryOptions: {
      resolve: (_root, { ids }, _context, _info, resolveNodes) => resolveNodes(boundedIds(ids)),
    },
    edgesFieldOptions: { nullable: false },
    nodeFieldOptions: { nullable: false },
  },
})

builder.queryType()
builder.mutationType()
builder.subscriptionType()
