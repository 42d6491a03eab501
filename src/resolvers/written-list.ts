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
 * A list of numbers that stands in a result as JSON already, in pieces. The executor takes it for a list with one entry,
 * itself, whose JSON is put between the brackets. Only compiled operations know it (`Context.takesWrittenLists`).
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
    this.#digested ??= this.#digest()
    return this.#digested
  }

  /** How long the JSON of its entries is. */
  get bytes(): number {
    const commas = Math.max(0, this.pieces.length - 1)
    this.#bytes ??= this.pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), commas)
    return this.#bytes
  }

  #digest(): string {
    const entries = this.pieces.join(',')
    return onlyNumbers.test(entries) ? digestOf(entries) : digested(entries)
  }

  *[Symbol.iterator](): Generator<unknown> {
    yield this
  }

  toJSON(): string {
    return `${mark}${found.push(this) - 1}`
  }
}

/**
 * Stands in the JSON where the pieces go, with the number of the list. No client can know it, and so write it into an
 * answer.
 */
const mark = randomBytes(16).toString('hex')
/** By their numbers in the JSON that is being made. */
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
function unjoined(text: string): UnjoinedJson {
  if (found.length === 0) return { texts: [text], lists: [] }
  const texts: string[] = []
  const lists: WrittenList[] = []
  let from = 0
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, from)) {
    texts.push(text.slice(from, at - 1))
    from = text.indexOf('"', at) + 1
    lists.push(found[Number(text.slice(at + mark.length, from - 1))] as WrittenList)
  }
  found = []
  texts.push(text.slice(from))
  return { texts, lists }
}

export function bytesOf({ texts, lists }: UnjoinedJson): number {
  let bytes = 0
  for (const text of texts) bytes += Buffer.byteLength(text)
  for (const list of lists) bytes += list.bytes
  return bytes
}

/** In parts that follow each other. */
export function partsOf({ texts, lists }: UnjoinedJson): string[] {
  const parts = [texts[0] as string]
  for (let at = 0; at < lists.length; at++) {
    const { pieces } = lists[at] as WrittenList
    for (let i = 0; i < pieces.length; i++) {
      if (i > 0) parts.push(',')
      parts.push(pieces[i] as string)
    }
    parts.push(texts[at + 1] as string)
  }
  return parts
}

/** JSON.stringify in parts that follow each other, with the pieces of written lists in their places. */
export const jsonParts = (value: unknown): string[] => partsOf(unjoinedJson(value))

/** The same of JSON that was just made of a value that may hold written lists. */
export const filledIn = (text: string): string[] => partsOf(unjoined(text))

/** JSON.stringify, with the pieces of written lists in their places. */
export function stringify(value: unknown): string {
  const parts = jsonParts(value)
  return parts.length === 1 ? (parts[0] as string) : parts.join('')
}
