import { hash, randomBytes } from 'node:crypto'

/** A digest of fewer characters would be no shorter. */
const leastDigested = 64
/** A list of numbers in JSON, also one that stands in a string. */
const listOfNumbers = /\[([-+.,\deEnul]+)\]/g
const onlyNumbers = /^[-+.,\deEnul]*$/

/**
 * JSON with a digest in place of each long list of numbers, so that one that is kept has to be digested only once. Two
 * texts have the same digest only if they are the same: JSON has no control characters, so nothing else looks like one.
 */
export const digested = (json: string): string =>
  json.replace(listOfNumbers, (_list, entries: string) => `[${digestOf(entries)}]`)

const digestOf = (entries: string): string =>
  entries.length < leastDigested ? entries : `\0${hash('sha256', entries, 'base64url')}`

/**
 * A list that stands in a result as JSON already, in pieces. It is taken for a list with one entry, itself, whose JSON is
 * put between the brackets. Resolvers return it only to compiled operations (`Context.takesWrittenLists`).
 */
export class WrittenList implements Iterable<unknown> {
  /** How many entries it stands for. */
  readonly length: number
  /** JSON of some entries each, with commas between them. */
  readonly pieces: readonly string[]
  #digested: string | undefined
  #bytes: number | undefined

  constructor(pieces: readonly string[], length: number) {
    this.pieces = pieces
    this.length = length
  }

  /** Its entries as `digested` would have them, in whichever pieces they are. */
  get digested(): string {
    if (this.#digested === undefined) {
      const entries = this.pieces.join(',')
      this.#digested = onlyNumbers.test(entries) ? digestOf(entries) : digested(entries)
    }
    return this.#digested
  }

  /** `digested` in parts, none of which takes long. */
  *digestedParts(): Generator<string> {
    if (this.pieces.every((piece) => onlyNumbers.test(piece))) {
      yield this.digested
      return
    }
    for (const [i, piece] of this.pieces.entries()) yield (i > 0 ? ',' : '') + digested(piece)
  }

  /** How long the JSON of its entries is. */
  get bytes(): number {
    const commas = Math.max(0, this.pieces.length - 1)
    this.#bytes ??= this.pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), commas)
    return this.#bytes
  }

  *[Symbol.iterator](): Generator<unknown> {
    yield this
  }

  toJSON(): string {
    found.push(this)
    return mark
  }
}

/** Stands in the JSON where the pieces go. No client can know it, and so write it into an answer. */
const mark = randomBytes(16).toString('hex')
const markJson = JSON.stringify(mark)
/** In the order of the JSON that is being made. */
let found: WrittenList[] = []

/** JSON whose written lists are not put in yet: a list comes between one text and the next. */
export interface UnjoinedJson {
  readonly texts: readonly string[]
  readonly lists: readonly WrittenList[]
}

export function unjoinedJson(value: unknown): UnjoinedJson {
  found = []
  return unjoined(JSON.stringify(value))
}

/** JSON that was just made of a value that may hold written lists. */
export function unjoined(text: string): UnjoinedJson {
  const texts = found.length === 0 ? [text] : text.split(markJson)
  const lists = found.slice(found.length + 1 - texts.length)
  found = []
  return { texts, lists }
}

export function bytesOf({ texts, lists }: UnjoinedJson): number {
  let bytes = 0
  for (const text of texts) bytes += Buffer.byteLength(text)
  for (const list of lists) bytes += list.bytes
  return bytes
}

/** Its parts, one behind the other. */
export function partsOf({ texts, lists }: UnjoinedJson): string[] {
  const parts: string[] = []
  for (let at = 0; at < lists.length; at++) {
    parts.push(texts[at] as string)
    const { pieces } = lists[at] as WrittenList
    for (let i = 0; i < pieces.length; i++) {
      if (i > 0) parts.push(',')
      parts.push(pieces[i] as string)
    }
  }
  parts.push(texts[lists.length] as string)
  return parts
}

export const joined = (json: UnjoinedJson): string =>
  json.lists.length === 0 ? (json.texts[0] as string) : partsOf(json).join('')

/** JSON.stringify, with the pieces of written lists in their places. */
export const stringify = (value: unknown): string => joined(unjoinedJson(value))
