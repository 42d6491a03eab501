import { createHash, hash } from 'node:crypto'
import type { Caller } from '../../platform/concurrency/event-loop-turns.ts'
import type { Context } from '../../resolvers/context.ts'
import { turns } from '../../resolvers/rows.ts'
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

/** What `entityTag` gives, made in turns of the event loop. */
export async function entityTagInTurns(
  json: UnjoinedJson,
  mediaType: string,
  encoding: Encoding,
  caller: Caller,
): Promise<string> {
  const tag = createHash('sha256').update(`${mediaType}\n`)
  const parts = digestedParts(json)
  const some = (untilMs: number): boolean => {
    do {
      const { value, done } = parts.next()
      if (done) return true
      tag.update(value)
    } while (turns.now() < untilMs)
    return false
  }
  while (!(await turns.goOn(caller, some, 'answers')));
  return `"${tag.digest('base64url').slice(0, tagDigits)}-${encoding}"`
}

function* digestedParts({ texts, lists }: UnjoinedJson): Generator<string, undefined> {
  for (let i = 0; i < texts.length; i++) {
    yield digested(texts[i] as string)
    yield* lists[i]?.digestedParts() ?? []
  }
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
