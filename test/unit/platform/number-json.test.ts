import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { numbersAsJson } from '../../../src/platform/number-json.ts'
import { randomNumbers } from '../../support/candles/generated-candles.ts'

function assertSame(values: Float64Array, what: string): void {
  const found = numbersAsJson(values)
  const expected = JSON.stringify([...values]).slice(1, -1)
  if (found === expected) return
  const [texts, right] = [found.split(','), expected.split(',')]
  const at = right.findIndex((text, i) => text !== texts[i])
  assert.fail(`${what}: ${values[at]} as ${texts[at]} instead of ${right[at]}`)
}

test('any numbers are written as JSON.stringify writes them, those that are none as null', () => {
  const number = fc.oneof(fc.double(), fc.float(), fc.integer(), fc.double({ min: -1000, max: 1000 }))
  fc.assert(fc.property(fc.array(number), (numbers) => assertSame(Float64Array.from(numbers), 'generated')))
})

/** Numbers by their kind, from random ones in [0, 1). */
const kinds: Readonly<Record<string, (random: () => number) => number>> = {
  prices: (random) => Math.round(random() * 1e5) / 100,
  'means of prices': (random) => Math.round(random() * 1e7) / 100 / (1 + Math.floor(random() * 60)),
  'numbers around 0': (random) => 4 * random() - 2,
  'sums of volumes': (random) => 100 * Math.round((random() - 0.5) * 1e9),
  'numbers of every magnitude': (random) => random() * 10 ** Math.floor(random() * 40 - 15),
  'doubles of every exponent around those that are written here': (random) =>
    (1 + random()) * 2 ** whole(random, -25, 60),
  'powers of two, and their neighbours': (random) =>
    2 ** whole(random, -25, 60) * (1 + whole(random, -2, 2) * 2 ** -53),
  'powers of ten, and their neighbours': (random) =>
    10 ** whole(random, -9, 20) * (1 + whole(random, -4, 4) * 2 ** -53),
  'decimals of up to 17 digits': (random) =>
    Math.round(random() * 10 ** whole(random, 1, 17)) / 10 ** whole(random, 0, 22),
  'decimals just beside a shorter one': (random) =>
    (Math.round(random() * 10 ** whole(random, 1, 9)) / 1e4) * (1 + whole(random, -3, 3) * 2 ** -52),
  'halves of the last digit': (random) => (Math.floor(random() * 2 ** 53) + 0.5) * 2 ** -whole(random, 0, 60),
}

function whole(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1))
}

for (const [kind, of] of Object.entries(kinds)) {
  test(`${kind} are written as JSON.stringify writes them`, () => {
    const coarse = randomNumbers(7)
    const random = (): number => coarse() + coarse() * 2 ** -32
    const count = Number(process.env.PROPERTY_RUNS ?? 30) * 1000
    for (let done = 0; done < count; done += 3000) {
      assertSame(
        Float64Array.from({ length: 3000 }, () => (random() < 0.5 ? of(random) : -of(random))),
        kind,
      )
    }
  })
}

test('every power of two is written as JSON.stringify writes it', () => {
  assertSame(
    Float64Array.from({ length: 2098 }, (_, i) => 2 ** (i - 1074)),
    'power of two',
  )
})

test('there may be none, and more than are written at once', () => {
  assertSame(new Float64Array(), 'none')
  const random = randomNumbers(8)
  for (const length of [1, 2, 1500, 20_000]) assertSame(Float64Array.from({ length }, random), `${length}`)
})
