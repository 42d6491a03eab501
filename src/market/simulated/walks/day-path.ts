import { childKey, gaussian, scrambled } from './random.ts'
import {
  hourShapes,
  normalCount,
  normals,
  rowLength,
  shapeCount,
  stretchCount,
  stretchMinutes,
  stretchRowLength,
} from './shapes.ts'
import { dayRandom, stepDeviation, type Walk, type WalkState, walkDay } from './walks.ts'

const hours = 24
const marks = hours + 1
const minutes = 60
/** Minutes of a day. */
export const dayMinutes = hours * minutes
const intradayKey = 2
/** From the place of a row of shapes to that of its extremes. */
const rowsApart = rowLength / stretchRowLength
/** More than sums of the same numbers in another order may differ by. */
const slack = 1e-9

/** A walk's way through a day (UTC). */
export interface WalkedDay {
  /** The walk at the 25 hour marks. */
  readonly knots: Float64Array
  /** For each hour, the row of a shape; ~row: the mirrored one. */
  readonly rows: Int32Array
  /** The standard deviation of the day's step, and the step. */
  deviation: number
  step: number
}

/** An instrument's way through a day (UTC): all of its prices are read off this. */
export interface DayPath {
  /** Logarithms of the price, in price steps, at the 25 hour marks. */
  readonly knots: Float64Array
  /** For each hour, the rows of two shapes (~row: mirrored). */
  rows: Int32Array
  readonly otherRows: Int32Array
  /** By how much they are scaled: a part for the day, and a part for each hour. */
  scale: number
  otherScale: number
  hourScales: Float64Array
  otherHourScales: Float64Array
  /** By how much the reach of minutes beyond their ends is scaled, as `otherScale`. */
  reach: number
  /** How large the day's step is, in usual ones. */
  events: number
}

/** Logarithms of prices over some minutes. */
export interface LogRange {
  open: number
  high: number
  low: number
  close: number
}

export const newWalkedDay = (): WalkedDay => ({
  knots: new Float64Array(marks),
  rows: new Int32Array(hours),
  deviation: 0,
  step: 0,
})

export const newDayPath = (): DayPath => ({
  knots: new Float64Array(marks),
  otherRows: new Int32Array(hours),
  rows: new Int32Array(hours),
  scale: 0,
  otherScale: 0,
  hourScales: new Float64Array(hours),
  otherHourScales: new Float64Array(hours),
  reach: 0,
  events: 0,
})

/**
 * Fills in a walk's day and returns the state after it. Between two days the walk is a Brownian bridge: a first part of
 * the variance makes the gap at midnight, and each hour has the part that its rhythm says.
 */
export function enterDay(walk: Walk, state: WalkState, day: number, into: WalkedDay): WalkState {
  const { knots, rows } = into
  const { gap, hourRoot, until } = walk.rhythm
  const random = dayRandom(walk, day)
  const normal = gaussian(random)
  const after = walkDay(walk, state, day, normal)
  const deviation = stepDeviation(walk, state, day)
  const step = after.deviation - state.deviation
  into.deviation = deviation
  into.step = step
  const open =
    gap === 0
      ? state.deviation
      : state.deviation + step * gap + deviation * Math.sqrt(gap * (1 - gap)) * gaussian(random)
  let key = childKey(childKey(walk.key, intradayKey), day)
  const scale = deviation * Math.sqrt(1 - gap)
  let sum = 0
  for (let hour = 0; hour < hours; hour++) {
    knots[hour] = open + sum
    key = (key + 0x6d2b79f5) | 0
    const bits = scrambled(key)
    sum += scale * (hourRoot[hour] as number) * (normals[bits & (normalCount - 1)] as number)
    const row = ((bits >>> 12) & (shapeCount - 1)) * rowLength
    rows[hour] = bits >>> 31 ? ~row : row
  }
  const drift = after.deviation - open - sum
  for (let hour = 1; hour < hours; hour++) knots[hour] = (knots[hour] as number) + drift * (until[hour] as number)
  knots[hours] = after.deviation
  return after
}

/** The logarithm of the price at a minute mark of a day, from 0 to 1440. */
export function markAt(path: DayPath, minute: number): number {
  const hour = Math.floor(minute / minutes)
  return hour === hours ? (path.knots[hours] as number) : within(path, hour, minute - hour * minutes)
}

/** The logarithm of the price at one of the first 60 minute marks of an hour. */
function within(day: DayPath, hour: number, minute: number): number {
  const { path } = hourShapes()
  const from = day.knots[hour] as number
  const slope = ((day.knots[hour + 1] as number) - from) / minutes
  const row = day.rows[hour] as number
  const otherRow = day.otherRows[hour] as number
  const scale = day.scale * (day.hourScales[hour] as number)
  const otherScale = day.otherScale * (day.otherHourScales[hour] as number)
  const shape = path[(row < 0 ? ~row : row) + minute] as number
  const otherShape = path[(otherRow < 0 ? ~otherRow : otherRow) + minute] as number
  return priceMark(
    from,
    slope,
    minute,
    row < 0 ? -scale : scale,
    shape,
    otherRow < 0 ? -otherScale : otherScale,
    otherShape,
  )
}

/** The same sum everywhere, so that the extremes of an hour are exactly those of its minutes. */
const priceMark = (
  from: number,
  slope: number,
  minute: number,
  scale: number,
  shape: number,
  otherScale: number,
  otherShape: number,
): number => from + slope * minute + scale * shape + otherScale * otherShape

/** For each hour, how far its minutes may reach at most. */
const most = new Float64Array(hours)
const least = new Float64Array(hours)

/**
 * Widens a range by the minutes [from, to) of a day, and sets its close. The hours that may reach furthest, by the
 * extremes of their shapes, are looked at first: then most of the others need not be.
 */
export function widen(day: DayPath, from: number, to: number, range: LogRange): void {
  const firstHour = Math.floor(from / minutes)
  const lastHour = Math.ceil(to / minutes) - 1
  if (isWithin(day, firstHour, lastHour, range)) {
    range.close = markAt(day, to)
    return
  }
  takeKnots(day.knots, firstHour + 1, Math.floor(to / minutes), range)
  let highest = firstHour
  let lowest = firstHour
  for (let hour = firstHour; hour <= lastHour; hour++) {
    setReach(day, hour)
    if ((most[hour] as number) > (most[highest] as number)) highest = hour
    if ((least[hour] as number) < (least[lowest] as number)) lowest = hour
  }
  const end = to - lastHour * minutes
  for (let i = firstHour - 2; i <= lastHour; i++) {
    const hour = i === firstHour - 2 ? highest : i === firstHour - 1 ? lowest : i
    if ((most[hour] as number) <= range.high && (least[hour] as number) >= range.low) continue
    const start = hour * minutes
    widenInHour(day, hour, hour === firstHour ? from - start : 0, hour === lastHour ? end : minutes, range)
    most[hour] = Number.NEGATIVE_INFINITY
    least[hour] = Number.POSITIVE_INFINITY
  }
  range.close = markAt(day, to)
}

/** Whether some hours cannot widen a range, whatever their shapes: a quick check for days within the range of a year. */
function isWithin({ knots, scale, otherScale, reach }: DayPath, first: number, last: number, range: LogRange): boolean {
  const { furthest, furthestBeyond } = hourShapes()
  // No hour has more than the whole variance of its day.
  const most = (Math.abs(scale) + Math.abs(otherScale)) * furthest + reach * furthestBeyond + slack
  const [high, low] = [range.high - most, range.low + most]
  for (let mark = first; mark <= last + 1; mark++) {
    const knot = knots[mark] as number
    if (knot > high || knot < low) return false
  }
  return true
}

function takeKnots(knots: Float64Array, first: number, last: number, range: LogRange): void {
  for (let mark = first; mark <= last; mark++) {
    const knot = knots[mark] as number
    if (knot > range.high) range.high = knot
    if (knot < range.low) range.low = knot
  }
}

function setReach(day: DayPath, hour: number): void {
  const { highest, lowest, furthestUp, furthestDown } = hourShapes()
  const left = day.knots[hour] as number
  const right = day.knots[hour + 1] as number
  const row = day.rows[hour] as number
  const otherRow = day.otherRows[hour] as number
  const hourScale = day.scale * (day.hourScales[hour] as number)
  const otherScale = day.otherScale * (day.otherHourScales[hour] as number)
  const reach = day.reach * (day.otherHourScales[hour] as number)
  const scale = row < 0 ? -hourScale : hourScale
  const place = (row < 0 ? ~row : row) / rowsApart + stretchCount
  const otherPlace = (otherRow < 0 ? ~otherRow : otherRow) / rowsApart + stretchCount
  const high = highest[place] as number
  const low = lowest[place] as number
  const otherHigh = otherRow < 0 ? -(lowest[otherPlace] as number) : (highest[otherPlace] as number)
  const otherLow = otherRow < 0 ? -(highest[otherPlace] as number) : (lowest[otherPlace] as number)
  const up = reach * (furthestUp[otherPlace] as number)
  const down = reach * (furthestDown[otherPlace] as number)
  most[hour] = Math.max(left, right) + (scale > 0 ? scale * high : scale * low) + otherScale * otherHigh + up + slack
  least[hour] = Math.min(left, right) + (scale > 0 ? scale * low : scale * high) + otherScale * otherLow - down - slack
}

function widenInHour(day: DayPath, hour: number, first: number, end: number, range: LogRange): void {
  const { path, up, down, highest, lowest, furthestUp, furthestDown } = hourShapes()
  const mirroredRow = day.rows[hour] as number
  const mirroredOtherRow = day.otherRows[hour] as number
  const row = mirroredRow < 0 ? ~mirroredRow : mirroredRow
  const otherRow = mirroredOtherRow < 0 ? ~mirroredOtherRow : mirroredOtherRow
  const hourScale = day.scale * (day.hourScales[hour] as number)
  const otherHourScale = day.otherScale * (day.otherHourScales[hour] as number)
  const scale = mirroredRow < 0 ? -hourScale : hourScale
  const otherScale = mirroredOtherRow < 0 ? -otherHourScale : otherHourScale
  const reach = day.reach * (day.otherHourScales[hour] as number)
  const from = day.knots[hour] as number
  const next = day.knots[hour + 1] as number
  const slope = (next - from) / minutes
  const tops = scale > 0 ? highest : lowest
  const bottoms = scale > 0 ? lowest : highest
  const otherTops = otherScale > 0 ? highest : lowest
  const otherBottoms = otherScale > 0 ? lowest : highest
  let high = range.high
  let low = range.low
  let stop = first
  for (let start = first; start < end; start = stop) {
    const stretch = Math.floor(start / stretchMinutes)
    stop = Math.min(end, (stretch + 1) * stretchMinutes)
    const place = row / rowsApart + stretch
    const otherPlace = otherRow / rowsApart + stretch
    const left = from + slope * start
    const right = from + slope * stop
    const top = scale * (tops[place] as number) + otherScale * (otherTops[otherPlace] as number)
    const bottom = scale * (bottoms[place] as number) + otherScale * (otherBottoms[otherPlace] as number)
    const isHigher = Math.max(left, right) + top + reach * (furthestUp[otherPlace] as number) + slack > high
    const isLower = Math.min(left, right) + bottom - reach * (furthestDown[otherPlace] as number) - slack < low
    if (!isHigher && !isLower) continue
    // Compared one by one: which of two neighbours is higher cannot be foretold, but neither reaches an extreme often.
    for (let mark = start; mark <= stop; mark++) {
      const shape = path[row + mark] as number
      const otherShape = path[otherRow + mark] as number
      const price = mark === minutes ? next : priceMark(from, slope, mark, scale, shape, otherScale, otherShape)
      if (mark > start) {
        const above = price + reach * (up[otherRow + mark - 1] as number)
        const below = price - reach * (down[otherRow + mark - 1] as number)
        if (above > high) high = above
        if (below < low) low = below
      }
      if (mark < stop) {
        const above = price + reach * (up[otherRow + mark] as number)
        const below = price - reach * (down[otherRow + mark] as number)
        if (above > high) high = above
        if (below < low) low = below
      }
    }
  }
  range.high = high
  range.low = low
}
