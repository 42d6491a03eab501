import { inParts, type Steps } from '../../domain/steps.ts'

/** So many additions, or places of a column where each takes little, make a step: a third of a millisecond or so. */
const additionsPerStep = 250_000
export const placesPerStep = 16_384

/** How many windows make a step, if each place of a window is visited that often. */
const windowsPerStep = (period: number, visits: number): number =>
  Math.max(1, Math.floor(additionsPerStep / (period * visits)))

/**
 * A period as V8 computes indices fastest. One that is a double, although it is whole, makes loops take several times as
 * long; defaults are, because other parameters beside them have fractions.
 */
export const wholePeriod = (period: number): number => period | 0

/** Mean of the last `given` values at each place; NaN if one is missing. */
export function* means(values: Float64Array, given: number): Steps<Float64Array> {
  const period = wholePeriod(given)
  const found = new Float64Array(values.length).fill(Number.NaN)
  yield* inParts(period - 1, values.length, windowsPerStep(period, 2), (from, to) =>
    meansInto(found, values, period, from, to),
  )
  return found
}

function meansInto(found: Float64Array, values: Float64Array, period: number, from: number, to: number): void {
  for (let end = from; end < to; end++) found[end] = meanAt(values, end, period)
}

/**
 * Mean of the `period` values up to `end`. Each window is summed afresh, so that it does not depend on earlier values,
 * and then corrected by the mean of the residuals, so that equal values have exactly themselves as mean.
 */
export function meanAt(values: Float64Array, end: number, period: number): number {
  const start = end - period + 1
  let sum = 0
  for (let i = start; i <= end; i++) sum += values[i] as number
  const mean = sum / period
  let left = 0
  for (let i = start; i <= end; i++) left += (values[i] as number) - mean
  return mean + left / period
}

/** Weighted mean of the values up to each place, the last weight for the newest value; NaN if a value is missing. */
export function* weightedMeans(values: Float64Array, weights: Float64Array): Steps<Float64Array> {
  const found = new Float64Array(values.length).fill(Number.NaN)
  yield* inParts(weights.length - 1, values.length, windowsPerStep(weights.length, 3), (from, to) =>
    weightedMeansInto(found, values, weights, from, to),
  )
  return found
}

function weightedMeansInto(
  found: Float64Array,
  values: Float64Array,
  weights: Float64Array,
  from: number,
  to: number,
): void {
  for (let end = from; end < to; end++) found[end] = weightedMean(values, end, weights)
}

/** As `meanAt`. */
function weightedMean(values: Float64Array, end: number, weights: Float64Array): number {
  const start = end - weights.length + 1
  let total = 0
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    total += weights[i] as number
    sum += (weights[i] as number) * (values[start + i] as number)
  }
  const mean = sum / total
  let left = 0
  for (let i = 0; i < weights.length; i++) left += (weights[i] as number) * ((values[start + i] as number) - mean)
  return mean + left / total
}

/**
 * Mean deviation of the last `period` values from their mean, which is given for each place: of absolute values (power
 * 1) or squares (power 2).
 */
export function* meanDeviations(
  values: Float64Array,
  given: number,
  means: Float64Array,
  power: 1 | 2,
): Steps<Float64Array> {
  const period = wholePeriod(given)
  const found = new Float64Array(means.length).fill(Number.NaN)
  yield* inParts(period - 1, means.length, windowsPerStep(period, 1), (from, to) =>
    meanDeviationsInto(found, values, period, means, power, from, to),
  )
  return found
}

function meanDeviationsInto(
  found: Float64Array,
  values: Float64Array,
  period: number,
  means: Float64Array,
  power: 1 | 2,
  from: number,
  to: number,
): void {
  for (let end = from; end < to; end++) {
    const mean = means[end] as number
    let sum = 0
    // Not a function argument, nor asked for each value: either takes several times as long.
    if (power === 1) for (let i = end - period + 1; i <= end; i++) sum += Math.abs((values[i] as number) - mean)
    else for (let i = end - period + 1; i <= end; i++) sum += squared((values[i] as number) - mean)
    found[end] = sum / period
  }
}

const squared = (value: number): number => value * value

/** The highest of the last `period` values; NaN if a value is missing. */
export const highest = (values: Float64Array, period: number): Steps<Float64Array> => extremes(values, period, Math.max)

/** The lowest of the last `period` values; NaN if a value is missing. */
export const lowest = (values: Float64Array, period: number): Steps<Float64Array> => extremes(values, period, Math.min)

type Further = (one: number, other: number) => number

/**
 * Takes three comparisons a value, however long the window. Values are cut into blocks of `period`; a window is the end
 * of one block and the beginning of the next (M. van Herk, A fast algorithm for local minimum and maximum filters on
 * rectangular and octagonal kernels, 1992).
 */
function* extremes(values: Float64Array, given: number, further: Further): Steps<Float64Array> {
  const period = wholePeriod(given)
  const ends = values.slice()
  for (let to = values.length - 1; to > 0; to -= placesPerStep) {
    extendEnds(ends, values, period, further, Math.max(0, to - placesPerStep), to)
    yield
  }
  const found = new Float64Array(values.length)
  let beginning = Number.NaN
  yield* inParts(0, values.length, placesPerStep, (from, to) => {
    beginning = extremesInto(found, values, ends, period, further, beginning, from, to)
  })
  return found
}

function extendEnds(
  ends: Float64Array,
  values: Float64Array,
  period: number,
  further: Further,
  from: number,
  to: number,
): void {
  for (let i = to - 1; i >= from; i--) {
    if ((i + 1) % period !== 0) ends[i] = further(values[i] as number, ends[i + 1] as number)
  }
}

/** `beginning`: of the block at `from`, without the value there. Returns that at `to`. */
function extremesInto(
  found: Float64Array,
  values: Float64Array,
  ends: Float64Array,
  period: number,
  further: Further,
  beginning: number,
  from: number,
  to: number,
): number {
  for (let i = from; i < to; i++) {
    const value = values[i] as number
    beginning = i % period === 0 ? value : further(beginning, value)
    found[i] = i < period - 1 ? Number.NaN : further(ends[i - period + 1] as number, beginning)
  }
  return beginning
}
