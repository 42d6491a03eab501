import { gaussian, normalTable, type Random, randomFrom } from './random.ts'

/**
 * How the minutes of an hour may run. Every hour of every symbol is a straight line between the prices at its ends plus
 * two of these paths, scaled and maybe mirrored. That is much quicker than drawing each minute, and gives the same
 * statistics: the changes of two minutes have nothing in common.
 */
export interface Shapes {
  /** Brownian bridges at the 61 minute marks, of variance 1 in an hour; each row starts at a multiple of `rowLength`. */
  readonly path: Float32Array
  /** How far the 60 minutes reach above and below both of their ends, in the same units and rows. */
  readonly up: Float32Array
  readonly down: Float32Array
  /** For each mark, the larger of the reaches of the minutes before and after it. */
  readonly upAround: Float32Array
  readonly downAround: Float32Array
  /**
   * Four numbers for each row: its highest and lowest mark, the largest reach up and down. They stand together, because
   * the time it takes to read them is that of fetching them into the cache.
   */
  readonly extremes: Float32Array
  /** The same four for each of six stretches of ten minutes, both of its ends included. */
  readonly stretchExtremes: Float32Array
  /** The largest distances from 0 in `path`, and in `up` and `down`. */
  readonly furthest: number
  readonly furthestBeyond: number
  /** The share of the hour's volume that is traded up to each minute mark. */
  readonly traded: Float32Array
}

/** The second half are the mirror images of the first, so `mirror` turns a row's start into that of its image. */
export const shapeCount = 1024
/** As a power of two, a row's start is a shift. */
export const rowLength = 64
export const mirror: number = (shapeCount / 2) * rowLength
export const stretchMinutes = 10
const stretches = 6
/** Of a row's start, gives the place of its extremes. */
export const extremesPer: number = rowLength / 4
export const stretchExtremesPer: number = rowLength / (4 * 8)
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
  const shapes = { path: rows(), up: rows(), down: rows(), upAround: rows(), downAround: rows(), traded: rows() }
  for (let row = 0; row < mirror; row += rowLength) {
    fillRow(shapes, row, random)
    for (let m = 0; m <= minutes; m++) {
      shapes.path[row + mirror + m] = -(shapes.path[row + m] ?? 0)
      shapes.up[row + mirror + m] = shapes.down[row + m] ?? 0
      shapes.down[row + mirror + m] = shapes.up[row + m] ?? 0
      shapes.traded[row + mirror + m] = shapes.traded[row + m] ?? 0
    }
  }
  const extremes = new Float32Array(shapes.path.length / extremesPer)
  const stretchExtremes = new Float32Array(shapes.path.length / stretchExtremesPer)
  for (let row = 0; row < shapes.path.length; row += rowLength) {
    for (let mark = 0; mark <= minutes; mark++) {
      const [before, after] = [row + Math.max(mark - 1, 0), row + Math.min(mark, minutes - 1)]
      shapes.upAround[row + mark] = Math.max(shapes.up[before] ?? 0, shapes.up[after] ?? 0)
      shapes.downAround[row + mark] = Math.max(shapes.down[before] ?? 0, shapes.down[after] ?? 0)
    }
    extremes.set(extremesOf(shapes, row, row + minutes), row / extremesPer)
    for (let stretch = 0; stretch < stretches; stretch++) {
      const first = row + stretch * stretchMinutes
      stretchExtremes.set(extremesOf(shapes, first, first + stretchMinutes), row / stretchExtremesPer + stretch * 4)
    }
  }
  const furthest = largest(shapes.path)
  return { ...shapes, extremes, stretchExtremes, furthest, furthestBeyond: largest(shapes.up, shapes.down) }
}

type Rows = Pick<Shapes, 'path' | 'up' | 'down' | 'traded'>

function fillRow({ path, up, down, traded }: Rows, row: number, random: Random): void {
  const walk = new Float64Array(minutes + 1)
  for (let m = 1; m <= minutes; m++) walk[m] = (walk[m - 1] ?? 0) + gaussian(random) / Math.sqrt(minutes)
  const end = walk[minutes] ?? 0
  let sum = 0
  for (let m = 0; m < minutes; m++) {
    path[row + m] = (walk[m] ?? 0) - (end * m) / minutes
    const move = Math.abs((walk[m + 1] ?? 0) - (walk[m] ?? 0) - end / minutes)
    up[row + m] = beyond(move, random())
    down[row + m] = beyond(move, random())
    sum += 0.5 + random()
    traded[row + m + 1] = sum
  }
  for (let m = 1; m <= minutes; m++) traded[row + m] = m === minutes ? 1 : (traded[row + m] ?? 0) / sum
}

const extremesOf = ({ path, up, down }: Rows, first: number, end: number): number[] => [
  Math.max(...path.subarray(first, end + 1)),
  Math.min(...path.subarray(first, end + 1)),
  Math.max(...up.subarray(first, end)),
  Math.max(...down.subarray(first, end)),
]

const largest = (...columns: readonly Float32Array[]): number =>
  columns.reduce((most, column) => column.reduce((best, each) => Math.max(best, Math.abs(each)), most), 0)

/**
 * How far a Brownian bridge reaches beyond the higher of its ends, which are a minute and `move` apart, by inverting its
 * distribution: P(max > m) = exp(-2 (m - from)(m - to) / variance).
 */
function beyond(move: number, uniform: number): number {
  return (Math.sqrt(move ** 2 - (2 / minutes) * Math.log(1 - uniform)) - move) / 2
}
