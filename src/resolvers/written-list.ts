import { randomBytes } from 'node:crypto'

/**
 * A list of numbers that stands in a result as JSON already, in pieces. The executor takes it for a list with one entry,
 * itself, whose JSON is put between the brackets. Only compiled operations know it (`Context.takesWrittenLists`).
 */
export class WrittenList implements Iterable<unknown> {
  /** How many entries it stands for. */
  readonly length: number
  /** JSON of some entries each, with commas between them. */
  readonly pieces: readonly string[]

  constructor(pieces: readonly string[], length: number) {
    this.pieces = pieces
    this.length = length
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

/** JSON.stringify, with the pieces of written lists in their places. */
export function stringify(value: unknown): string {
  found = []
  const text = JSON.stringify(value)
  if (found.length === 0) return text
  const parts: string[] = []
  let from = 0
  for (const { pieces } of found) {
    const to = text.indexOf(markJson, from)
    parts.push(text.slice(from, to))
    for (let i = 0; i < pieces.length; i++) {
      if (i > 0) parts.push(',')
      parts.push(pieces[i] as string)
    }
    from = to + markJson.length
  }
  found = []
  parts.push(text.slice(from))
  return parts.join('')
}
