import { childKey, gaussian, scrambled } from './random.ts'
import {
  extremesPer,
  hourShapes,
  normalCount,
  normals,
  rowLength,
  type Shapes,
  shapeCount,
  stretchExtremesPer,
  stretchMinutes,
} from './shapes.ts'
import { dayRandom, stepDeviation, type Walk, type WalkState, walkDay } from './walks.ts'

const hours = 24
const marks = hours + 1
const minutes = 60
/** Minutes of a day. */
export const dayMinutes = hours * minutes
const intradayKey = 2
/** More than sums of the same numbers in another order may differ by. */
const slack = 1e-9

/** A walk's way through a day (UTC). */
export interface WalkedDay {
  /** The walk at the 25 hour marks. */
  readonly knots: Float64Array
  /** For each hour, the row of a shape. */
  readonly rows: Int32Array
  /** The standard deviation of the day's step, and the step. */
  deviation: number
  step: number
}

/** An instrument's way through a day (UTC): all of its prices are read off this. */
export interface DayPath {
  /** Logarithms of the price, in price steps, at the 25 hour marks. */
  readonly knots: Float64Array
  /** For each hour, the rows of two shapes. */
  rows: Int32Array
  readonly otherRows: Int32Array
  /** `mirror`: the first one is mirrored, because the instrument falls when its factor rises; else 0. */
  mirror: number
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
  mirror: 0,
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
    rows[hour] = ((bits >>> 12) & (shapeCount - 1)) * rowLength
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
  const shape = path[((day.rows[hour] as number) ^ day.mirror) + minute] as number
  const otherShape = path[(day.otherRows[hour] as number) + minute] as number
  const scale = day.scale * (day.hourScales[hour] as number)
  const otherScale = day.otherScale * (day.otherHourScales[hour] as number)
  return priceMark(from, slope, minute, scale, shape, otherScale, otherShape)
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
  const shapes = hourShapes()
  let highest = firstHour
  let lowest = firstHour
  for (let hour = firstHour; hour <= lastHour; hour++) {
    setReach(day, hour, shapes)
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
  const most = (scale + otherScale) * furthest + reach * furthestBeyond + slack
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

function setReach(day: DayPath, hour: number, { extremes }: Shapes): void {
  const left = day.knots[hour] as number
  const right = day.knots[hour + 1] as number
  const scale = day.scale * (day.hourScales[hour] as number)
  const otherScale = day.otherScale * (day.otherHourScales[hour] as number)
  const reach = day.reach * (day.otherHourScales[hour] as number)
  const place = ((day.rows[hour] as number) ^ day.mirror) / extremesPer
  const otherPlace = (day.otherRows[hour] as number) / extremesPer
  const top = scale * (extremes[place] as number) + otherScale * (extremes[otherPlace] as number)
  const bottom = scale * (extremes[place + 1] as number) + otherScale * (extremes[otherPlace + 1] as number)
  most[hour] = Math.max(left, right) + top + reach * (extremes[otherPlace + 2] as number) + slack
  least[hour] = Math.min(left, right) + bottom - reach * (extremes[otherPlace + 3] as number) - slack
}

function widenInHour(day: DayPath, hour: number, first: number, end: number, range: LogRange): void {
  const { path, up, down, upAround, downAround, stretchExtremes } = hourShapes()
  const row = (day.rows[hour] as number) ^ day.mirror
  const otherRow = day.otherRows[hour] as number
  const scale = day.scale * (day.hourScales[hour] as number)
  const otherScale = day.otherScale * (day.otherHourScales[hour] as number)
  const reach = day.reach * (day.otherHourScales[hour] as number)
  const from = day.knots[hour] as number
  const next = day.knots[hour + 1] as number
  const slope = (next - from) / minutes
  let high = range.high
  let low = range.low
  let stop = first
  for (let start = first; start < end; start = stop) {
    const stretch = Math.floor(start / stretchMinutes)
    stop = Math.min(end, (stretch + 1) * stretchMinutes)
    const place = row / stretchExtremesPer + stretch * 4
    const otherPlace = otherRow / stretchExtremesPer + stretch * 4
    const left = from + slope * start
    const right = from + slope * stop
    const top = scale * (stretchExtremes[place] as number) + otherScale * (stretchExtremes[otherPlace] as number)
    const bottom =
      scale * (stretchExtremes[place + 1] as number) + otherScale * (stretchExtremes[otherPlace + 1] as number)
    const up10 = reach * (stretchExtremes[otherPlace + 2] as number)
    const down10 = reach * (stretchExtremes[otherPlace + 3] as number)
    const isHigher = Math.max(left, right) + top + up10 + slack > high
    const isLower = Math.min(left, right) + bottom - down10 - slack < low
    if (!isHigher && !isLower) continue
    // A mark reaches as far as the minutes on both of its sides, but for those outside of the range.
    for (let mark = start; mark <= stop; mark++) {
      const shape = path[row + mark] as number
      const otherShape = path[otherRow + mark] as number
      const price = mark === minutes ? next : priceMark(from, slope, mark, scale, shape, otherScale, otherShape)
      const minute = otherRow + (mark === end ? mark - 1 : mark)
      const isInside = mark !== first && mark !== end
      const above = price + reach * ((isInside ? upAround : up)[minute] as number)
      const below = price - reach * ((isInside ? downAround : down)[minute] as number)
      if (above > high) high = above
      if (below < low) low = below
    }
  }
  range.high = high
  range.low = low
}
