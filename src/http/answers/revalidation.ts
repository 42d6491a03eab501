import { hash } from 'node:crypto'
import type { Context } from '../../resolvers/context.ts'
import { digested, type UnjoinedJson } from '../../resolvers/written-list.ts'
import type { Encoding } from './encoding.ts'

/** 132 bits. */
const tagDigits = 22

/**
 * A strong entity tag (RFC 9110, 8.8.3): it stands for the bytes of an answer as they are sent, so each media type and
 * each encoding has its own. `body`: before it is encoded.
 *
 * Long lists of numbers are hashed by themselves, so that no answer is joined for its tag, and a list that is kept is
 * hashed once. Whether it was kept, and in which pieces, makes no difference to the tag.
 */
export function entityTag(body: string | UnjoinedJson, mediaType: string, encoding: Encoding): string {
  const { texts, lists } = typeof body === 'string' ? { texts: [body], lists: [] } : body
  // What is digested already stays as it is.
  const json = digested(texts.reduce((before, text, i) => `${before}${lists[i - 1]?.digested ?? ''}${text}`))
  return `"${hash('sha256', `${mediaType}\n${json}`, 'base64url').slice(0, tagDigits)}-${encoding}"`
}

/**
 * Whether a client that sends this If-None-Match has the answer already (RFC 9110, 13.1.2). Its tags may come back
 * weak: a proxy that compresses makes them so.
 */
export function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  // What nearly all clients send.
  if (ifNoneMatch === tag) return true
  return ifNoneMatch.trim() === '*' || Array.from(ifNoneMatch.matchAll(/"[^"]*"/g)).some(([known]) => known === tag)
}

/**
 * How long caches may serve an answer without errors before they ask again. Only `candles` can tell; an answer that
 * holds anything else is revalidated. `rootField`: the only one of the operation.
 */
export function cacheControlOf(
  rootField: string | undefined,
  { viewer, staysUntilMs, now }: Pick<Context, 'viewer' | 'staysUntilMs' | 'now'>,
): string {
  if (viewer.wasAsked) return 'private, no-cache'
  if (rootField !== 'candles' || staysUntilMs === undefined) return 'no-cache'
  const seconds = Math.floor((staysUntilMs - now()) / 1000)
  return seconds > 0 ? `max-age=${seconds}` : 'no-cache'
}
