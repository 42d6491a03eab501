import { hash } from 'node:crypto'
import type { Encoding } from './encoding.ts'

/** 132 bits. */
const tagDigits = 22

/**
 * A strong entity tag (RFC 9110, 8.8.3): it stands for the bytes of an answer as they are sent, so each media type and
 * each encoding has its own. `body`: before it is encoded.
 */
export const entityTag = (body: string, mediaType: string, encoding: Encoding): string =>
  `"${hash('sha256', `${mediaType}\n${body}`, 'base64url').slice(0, tagDigits)}-${encoding}"`

/**
 * Whether a client that sends this If-None-Match has the answer already (RFC 9110, 13.1.2). Its tags may come back
 * weak: a proxy that compresses makes them so.
 */
export function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.trim() === '*' || Array.from(ifNoneMatch.matchAll(/"[^"]*"/g)).some(([known]) => known === tag)
}
