import { hash, randomBytes } from 'node:crypto'

/** A digest of fewer characters would be no shorter. */
const leastDigested = 64

/**
 * Stands for the entries of a list in what an answer is tagged by: a digest of their JSON, or that itself if it is
 * short. JSON has no control characters, so that no other text looks like a digest.
 */
export const digestOf = (json: string): string =>
  json.length < leastDigested ? json : `\0${hash('sha256', json, 'base64url')}`

/**
 * A list of numbers that stands in a result as JSON already, in pieces. The executor takes it for a list with one entry,
 * itself, whose JSON is put between the brackets. Only compiled operations know it (`Context.takesWrittenLists`).
 */
export class WrittenList implements Iterable<unknown> {
  /** How many entries it stands for. */
  readonly length: number
  /** JSON of some entries each, with commas between them. */
  readonly pieces: readonly string[]
  #digest: string | undefined

  constructor(pieces: readonly string[], length: number) {
    this.pieces = pieces
    this.length = length
  }

  /** Of all entries, however they are cut into pieces. */
  get digest(): string {
    this.#digest ??= digestOf(this.pieces.join(','))
    return this.#digest
  }

  /** How long its JSON is without the brackets. All of it is ASCII. */
  get bytes(): number {
    return this.pieces.reduce((sum, { length }) => sum + length + 1, 0) - Math.min(1, this.pieces.length)
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
  const text = JSON.stringify(value)
  const lists = found
  found = []
  return { texts: lists.length === 0 ? [text] : text.split(markJson), lists }
}

export function joined({ texts, lists }: UnjoinedJson): string {
  if (lists.length === 0) return texts[0] ?? ''
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
  return parts.join('')
}

/** JSON.stringify, with the pieces of written lists in their places. */
export const stringify = (value: unknown): string => joined(unjoinedJson(value))
