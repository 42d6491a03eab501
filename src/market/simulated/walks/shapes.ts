import { gaussian, normalTable, randomFrom } from './random.ts'

/**
 * How the minutes of an hour may run. Every hour of every symbol is a straight line between the prices at its ends plus
 * two of these paths, scaled and maybe mirrored. That is much quicker than drawing each minute, and gives the same
 * statistics: the changes of two minutes have nothing in common.
 */
export interface Shapes {
  /** Brownian bridges at the 61 minute marks, of variance 1 in an hour; each row starts at a multiple of `rowLength`. */
  readonly path: Float32Array
  /** How high and low each of six stretches of ten minutes of a row goes, both of its ends included; then all of it. */
  readonly highest: Float32Array
  readonly lowest: Float32Array
  /** How far the 60 minutes reach above and below both of their ends, in the same units and rows. */
  readonly up: Float32Array
  readonly down: Float32Array
  /** The furthest in each of these stretches; then in all of them. */
  readonly furthestUp: Float32Array
  readonly furthestDown: Float32Array
  /** The largest distances from 0 in `path`, and in `up` and `down`. */
  readonly furthest: number
  readonly furthestBeyond: number
  /** The share of the hour's volume that is traded up to each minute mark. */
  readonly traded: Float32Array
}

export const shapeCount = 1024
/** As a power of two, a row's start is a shift. */
export const rowLength = 64
export const stretchMinutes = 10
/** Stretches of an hour; their rows start at multiples of `stretchRowLength`. */
export const stretchCount = 6
export const stretchRowLength = 8
const minutes = 60
const key = 0x5eed

/** To pick from by the lowest bits of a random number. */
export const normalCount = 4096
export const normals: Float64Array = normalTable(normalCount, randomFrom(key))

let built: Shapes | undefined

/** Built when a simulated market first needs them, in some milliseconds. The same in every process. */
export function hourShapes(): Shapes {
  built ??= buildShapes()
  return built
}

function buildShapes(): Shapes {
  const random = randomFrom(key + 1)
  const rows = () => new Float32Array(shapeCount * rowLength)
  const stretches = () => new Float32Array(shapeCount * stretchRowLength)
  const shapes = { path: rows(), up: rows(), down: rows(), traded: rows() }
  const extremes = { highest: stretches(), lowest: stretches(), furthestUp: stretches(), furthestDown: stretches() }
  const walk = new Float64Array(minutes + 1)
  for (let shape = 0; shape < shapeCount; shape++) {
    const row = shape * rowLength
    for (let m = 1; m <= minutes; m++) walk[m] = (walk[m - 1] ?? 0) + gaussian(random) / Math.sqrt(minutes)
    const end = walk[minutes] ?? 0
    let traded = 0
    for (let m = 0; m <= minutes; m++) {
      shapes.path[row + m] = m === minutes ? 0 : (walk[m] ?? 0) - (end * m) / minutes
      if (m === minutes) break
      const move = Math.abs((walk[m + 1] ?? 0) - (walk[m] ?? 0) - end / minutes)
      shapes.up[row + m] = beyond(move, random())
      shapes.down[row + m] = beyond(move, random())
      traded += 0.5 + random()
      shapes.traded[row + m + 1] = traded
    }
    for (let m = 1; m <= minutes; m++) shapes.traded[row + m] = (shapes.traded[row + m] ?? 0) / traded
    shapes.traded[row + minutes] = 1
    for (let stretch = 0; stretch <= stretchCount; stretch++) {
      const first = row + (stretch % stretchCount) * stretchMinutes
      const end = stretch === stretchCount ? row + minutes : first + stretchMinutes
      const place = shape * stretchRowLength + stretch
      extremes.highest[place] = Math.max(...shapes.path.subarray(first, end + 1))
      extremes.lowest[place] = Math.min(...shapes.path.subarray(first, end + 1))
      extremes.furthestUp[place] = Math.max(...shapes.up.subarray(first, end))
      extremes.furthestDown[place] = Math.max(...shapes.down.subarray(first, end))
    }
  }
  const furthest = largest(extremes.highest, extremes.lowest)
  return { ...shapes, ...extremes, furthest, furthestBeyond: largest(extremes.furthestUp, extremes.furthestDown) }
}

const largest = (...columns: readonly Float32Array[]): number =>
  columns.reduce((most, column) => column.reduce((best, each) => Math.max(best, Math.abs(each)), most), 0)

/**
 * How far a Brownian bridge reaches beyond the higher of its ends, which are a minute and `move` apart, by inverting its
 * distribution: P(max > m) = exp(-2 (m - from)(m - to) / variance).
 */
function beyond(move: number, uniform: number): number {
  return (Math.sqrt(move ** 2 - (2 / minutes) * Math.log(1 - uniform)) - move) / 2
}
