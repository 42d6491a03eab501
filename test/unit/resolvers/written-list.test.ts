import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify, WrittenList } from '../../../src/resolvers/written-list.ts'

/** Lists of numbers as the executor leaves them: plain, or with a written list as their only entry. */
class Numbers {
  readonly values: readonly (number | null)[]
  readonly pieceLength: number

  constructor(values: readonly (number | null)[], pieceLength: number) {
    this.values = values
    this.pieceLength = pieceLength
  }

  written(): unknown[] {
    const pieces: string[] = []
    for (let i = 0; i < this.values.length; i += this.pieceLength) {
      pieces.push(JSON.stringify(this.values.slice(i, i + this.pieceLength)).slice(1, -1))
    }
    return [...new WrittenList(pieces, this.values.length)]
  }
}

const numbers = fc
  .tuple(
    fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))),
    fc.integer({ min: 1, max: 4 }),
  )
  .map(([values, pieceLength]) => new Numbers(values, pieceLength))
const results = fc.letrec((tie) => ({
  result: fc.oneof({ depthSize: 'small' }, numbers, fc.string(), fc.jsonValue(), tie('list'), tie('object')),
  list: fc.array(tie('result'), { maxLength: 4 }),
  object: fc.dictionary(fc.string(), tie('result'), { maxKeys: 4 }),
})).result

function filled(value: unknown, of: (numbers: Numbers) => unknown): unknown {
  if (value instanceof Numbers) return of(value)
  if (Array.isArray(value)) return value.map((each) => filled(each, of))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each, of)]))
}

test('a result with written lists anywhere is the JSON of the same result with their entries', () => {
  fc.assert(
    fc.property(results, (result) => {
      const plain = filled(result, ({ values }) => values)
      assert.equal(stringify({ data: filled(result, (each) => each.written()) }), JSON.stringify({ data: plain }))
    }),
  )
})
