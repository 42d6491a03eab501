import { LRUCache } from 'lru-cache'
import { at } from './bars.ts'
import type { SimulatedInstrument } from './instruments/instruments.ts'
import type { Part, Stretch, TradingDay } from './trading-hours.ts'
import { childKey, randomFrom } from './walks/random.ts'
import { hourShapes, rowLength, shapeCount } from './walks/shapes.ts'

const slotMinutes = 60
const activityKey = 3
const curveKeys: Readonly<Record<Part, number>> = { PRE: 4, REGULAR: 5, POST: 6 }
/** Of the volume of the regular hours. */
const shareOfPart: Readonly<Record<Part, number>> = { PRE: 0.02, REGULAR: 1, POST: 0.03 }
const curvesKept = 100

/** How a volume is spread over its trading minutes: in slots of an hour, the last of which may be shorter. */
interface Curve {
  readonly total: number
  readonly minutes: number
  /** The weight of all slots before each, and of all. */
  readonly until: Float64Array
  readonly rows: Int32Array
}

/** The volume of a day's regular hours. Days that move a lot trade a lot. */
export function dayVolume({ dailyVolume, own }: SimulatedInstrument, day: number, events: number): number {
  const noise = randomFrom(childKey(childKey(own.key, activityKey), day))()
  return Math.round(dailyVolume * (0.7 + 0.4 * events) * (0.75 + 0.5 * noise))
}

export interface Volumes {
  /** What is traded in a part of a trading day before a minute of it. */
  before(of: SimulatedInstrument, day: TradingDay, part: Part, regularVolume: () => number, minute: number): number
}

/** Whole volumes that add up exactly: each is the difference of two rounded sums. */
export function simulatedVolumes(): Volumes {
  const curves = new LRUCache<string, Curve>({ max: curvesKept })

  function curveOf(of: SimulatedInstrument, day: TradingDay, part: Part, regularVolume: () => number): Curve {
    const key = `${of.instrument.symbol} ${day.day} ${part}`
    const kept = curves.get(key)
    if (kept) return kept
    const minutes = lengthOf(day, part)
    const total = Math.round(regularVolume() * shareOfPart[part])
    const built = buildCurve(total, minutes, childKey(childKey(of.own.key, curveKeys[part]), day.day))
    curves.set(key, built)
    return built
  }

  return {
    before(of, day, part, regularVolume, minute) {
      const curve = curveOf(of, day, part, regularVolume)
      return volumeBefore(curve, elapsed(day, part, minute))
    },
  }
}

const stretchesOf = ({ stretches }: TradingDay, part: Part): readonly Stretch[] =>
  stretches.filter((stretch) => stretch.part === part)

const lengthOf = (day: TradingDay, part: Part): number =>
  stretchesOf(day, part).reduce((sum, { from, to }) => sum + to - from, 0)

/** Trading minutes of a part before a minute. */
function elapsed({ stretches }: TradingDay, part: Part, minute: number): number {
  let sum = 0
  for (const stretch of stretches) {
    if (stretch.part === part && stretch.from < minute) sum += Math.min(minute, stretch.to) - stretch.from
  }
  return sum
}

function buildCurve(total: number, minutes: number, key: number): Curve {
  const slots = Math.ceil(minutes / slotMinutes)
  const until = new Float64Array(slots + 1)
  const rows = new Int32Array(slots)
  const random = randomFrom(key)
  for (let slot = 0; slot < slots; slot++) {
    const length = Math.min(slotMinutes, minutes - slot * slotMinutes)
    const middle = (slot * slotMinutes + length / 2) / minutes
    until[slot + 1] = at(until, slot) + length * volumeAt(middle) * (0.75 + 0.5 * random())
    rows[slot] = Math.floor(random() * shapeCount) * rowLength
  }
  return { total, minutes, until, rows }
}

/** How much is traded at a time of the hours (0 to 1), as a U: busy at both ends, quiet in the middle. */
const volumeAt = (time: number): number => 1 + 3 * (2 * time - 1) ** 2

function volumeBefore({ total, minutes, until, rows }: Curve, elapsed: number): number {
  if (elapsed >= minutes) return total
  const { traded } = hourShapes()
  const slot = Math.floor(elapsed / slotMinutes)
  const length = Math.min(slotMinutes, minutes - slot * slotMinutes)
  const row = rows[slot] ?? 0
  const part = at(traded, row + elapsed - slot * slotMinutes) / at(traded, row + length)
  const [before, after] = [at(until, slot), at(until, slot + 1)]
  return Math.round((total * (before + (after - before) * part)) / at(until, until.length - 1))
}
