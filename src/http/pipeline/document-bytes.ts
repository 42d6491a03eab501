import type { DocumentNode } from 'graphql'

/** A syntax tree keeps its tokens. Measured on trees of short names: each token takes so much, with its share of the nodes. */
const bytesPerToken = 450

/** How much memory a document takes that was parsed, with its text, by estimate. */
export function documentBytes({ loc }: DocumentNode): number {
  let tokens = 0
  for (let token = loc?.startToken; token; token = token.next ?? undefined) tokens++
  return 2 * (loc?.source.body.length ?? 0) + bytesPerToken * tokens
}
