import type { ServerResponse } from 'node:http'
import type { Caller } from '../../platform/concurrency/event-loop-turns.ts'
import { turns } from '../../resolvers/rows.ts'
import type { UnjoinedJson } from '../../resolvers/written-list.ts'
import { type Encoding, encode } from './encoding.ts'

/** Shorter texts are made and written at once, in about a millisecond. */
const leastLongLength = 512 * 1024
/** How much is turned into bytes, copied or written between two looks at the clock. */
const pieceBytes = 64 * 1024

type Bytes = Buffer<ArrayBuffer>

/** Bytes in pieces that follow each other. */
export interface LongBytes {
  readonly pieces: readonly Bytes[]
  readonly length: number
}

export const isLong = (json: UnjoinedJson): boolean => lengthOf(json) >= leastLongLength

/** How many characters it has. */
export function lengthOf({ texts, lists }: UnjoinedJson): number {
  let length = 0
  for (const text of texts) length += text.length
  for (const { pieces } of lists) for (const piece of pieces) length += piece.length
  return length
}

/** The bytes of a text in parts that follow each other, made in turns of the event loop. */
export async function bytesInTurns(parts: readonly string[], caller: Caller): Promise<LongBytes> {
  const pieces: Bytes[] = []
  let at = 0
  let length = 0
  const some = (untilMs: number): void => {
    do {
      const from = at
      for (let characters = 0; at < parts.length && characters < pieceBytes; at++) characters += parts[at]?.length ?? 0
      const piece = Buffer.from(parts.slice(from, at).join(''))
      pieces.push(piece)
      length += piece.length
    } while (at < parts.length && turns.now() < untilMs)
  }
  while (at < parts.length) await turns.goOn(caller, some, 'answers')
  return { pieces, length }
}

export async function encodedInTurns(bytes: LongBytes, encoding: Encoding, caller: Caller): Promise<LongBytes> {
  if (encoding === 'identity') return bytes
  const encoded = await encode(await joinedInTurns(bytes, caller), encoding)
  const pieces: Bytes[] = []
  for (let at = 0; at < encoded.length; at += pieceBytes) pieces.push(encoded.subarray(at, at + pieceBytes))
  return { pieces, length: encoded.length }
}

/** The pieces in one, copied in turns of the event loop. */
export async function joinedInTurns({ pieces, length }: LongBytes, caller: Caller): Promise<Bytes> {
  const all = Buffer.allocUnsafeSlow(length)
  let [at, to] = [0, 0]
  const some = (untilMs: number): void => {
    do to += pieces[at++]?.copy(all, to) ?? 0
    while (at < pieces.length && turns.now() < untilMs)
  }
  while (at < pieces.length) await turns.goOn(caller, some, 'answers')
  return all
}

/** Writes the body of an answer in turns of the event loop, no faster than the client reads, and ends it. */
export async function writeInTurns(response: ServerResponse, { pieces }: LongBytes, caller: Caller): Promise<void> {
  let at = 0
  const some = (untilMs: number): void => {
    do response.write(pieces[at++])
    while (at < pieces.length && !response.writableNeedDrain && turns.now() < untilMs)
  }
  while (at < pieces.length) {
    await turns.goOn(caller, some, 'answers')
    if (response.writableNeedDrain) await new Promise((resolve) => response.once('drain', resolve))
  }
  response.end()
}
