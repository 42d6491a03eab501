import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shortestDecimal } from '../../../../src/market/yahoo/float32.ts'

const prices: readonly (readonly [float32: number, price: number])[] = [
  [129.0399932861328, 129.04],
  [210.50999450683594, 210.51],
  [84120.7734375, 84120.77],
  [0.000012339999557298142, 0.00001234],
  [-37.630001068115234, -37.63],
  [1.0843210220336914, 1.084321],
  [699999.9375, 699999.94],
  [99.9999008178711, 99.9999],
  // 2256948.3 is as near and as short.
  [2256948.25, 2256948.2],
  [0.5, 0.5],
  [-0, 0],
  [16_777_215, 16_777_215],
  [1.401298464324817e-45, 1e-45],
]

for (const [float32, price] of prices)
  test(`the float32 ${float32} stands for ${price}`, () => {
    assert.ok(Math.fround(price) === float32)
    assert.equal(shortestDecimal(float32), price)
  })

test('a price that is no float32 stays as it is', () => {
  const any = fc.double().filter((value) => !Object.is(Math.fround(value), value))
  fc.assert(fc.property(any, (value) => Object.is(shortestDecimal(value), value)))
  for (const value of [129.04, 1.0843211, 0.1, 16_777_217]) assert.equal(shortestDecimal(value), value)
})

test('what is no number stays as it is', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    assert.ok(Object.is(shortestDecimal(value), value))
})

test('a price of up to six digits comes back from a float32 as it was', () => {
  const sixDigits = fc.tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: 0, max: 12 }))
  fc.assert(
    fc.property(sixDigits, ([digits, decimals]) => {
      const price = digits / 10 ** decimals
      assert.equal(shortestDecimal(Math.fround(price)), price)
    }),
    { numRuns: 5000 },
  )
})

test('the decimal maps to the same float32, no shorter one does, and it is settled', () => {
  const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true })
  const ofPrices = fc.float({ min: Math.fround(0.0001), max: 1e6, noNaN: true })
  fc.assert(
    fc.property(fc.oneof(anyFloat, ofPrices), (float32) => {
      const decimal = shortestDecimal(float32)
      assert.ok(Math.fround(decimal) === float32)
      assert.ok(Object.is(shortestDecimal(decimal), decimal))
      const digits = digitsOf(decimal)
      if (digits > 1) assert.notEqual(Math.fround(Number(float32.toPrecision(digits - 1))), float32)
    }),
    { numRuns: 20_000 },
  )
})

/** The significant digits of a number's shortest text. */
const digitsOf = (value: number): number => value.toExponential().replace(/e.*$/, '').replace(/[-.]/g, '').length
