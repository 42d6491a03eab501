import type { DocumentNode } from 'graphql'

/**
 * A syntax tree keeps its tokens. Measured on trees with short names: the bytes of a token with its share of the nodes.
 */
const bytesPerToken = 450

/** Estimates how much memory a parsed document takes, with its text. */
export function documentBytes({ loc }: DocumentNode): number {
  let tokens = 0
  for (let token = loc?.startToken; token; token = token.next ?? undefined) tokens++
  return 2 * (loc?.source.body.length ?? 0) + bytesPerToken * tokens
}
