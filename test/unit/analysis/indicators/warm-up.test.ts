import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ema, wilder } from '../../../../src/analysis/indicators/moving-averages.ts'
import { emaSettling, wilderSettling } from '../../../../src/analysis/indicators/warm-up.ts'
import { finished } from '../../../../src/domain/steps.ts'

for (const [name, average, settling] of [
  ['exponential averages', ema, emaSettling],
  ["Wilder's averages", wilder, wilderSettling],
] as const) {
  test(`of where ${name} began 1e-12 is left when they have settled, of averages of averages too, and not long before`, () => {
    for (const period of [2, 14, 200]) {
      for (const inRow of [1, 2, 3]) {
        const candles = settling(period, inRow)
        // All of them are 1 when the zeros begin, as far from where they go as they can be.
        const ones = inRow * period
        const values = new Float64Array(ones + candles).fill(1, 0, ones)
        const averages = Array.from({ length: inRow }).reduce<Float64Array>(
          (inner) => finished(average(inner, period)),
          values,
        )
        const left = (after: number): number => averages[ones + after - 1] as number
        assert.equal(left(0), 1)
        assert.ok(left(candles) <= 1e-12, `${inRow} over ${period}: ${left(candles)}`)
        assert.ok(left(Math.floor(0.9 * candles)) > 1e-12, `${inRow} over ${period} take longer than they need`)
      }
    }
  })
}

test('an average over 1 has forgotten at once where it began', () => {
  assert.deepEqual([emaSettling(1), emaSettling(1, 3), wilderSettling(1, 2)], [0, 0, 0])
})
