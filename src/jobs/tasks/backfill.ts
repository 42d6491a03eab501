import { beginningOfTime } from '../../domain/candle.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import type { MarketService } from '../../market/market-service.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import type { StoredExtent } from '../../store/candles/candle-store.ts'
import { jobDescriptions, requirePastRange } from '../job-inputs.ts'
import { defineTask, type Task } from '../queue/define-task.ts'
import { eachPiece, type Piece } from './each-piece.ts'

/** How many days of history are one piece: what a source returns in one request or a few. */
const pieceDays: Readonly<Record<Interval, number>> = {
  MINUTE_1: 7,
  MINUTE_2: 30,
  MINUTE_5: 30,
  MINUTE_15: 30,
  MINUTE_30: 30,
  HOUR_1: 365,
  HOUR_2: 365,
  HOUR_4: 365,
  DAY_1: 3650,
  WEEK_1: 3650,
  MONTH_1: 3650,
  MONTH_3: 3650,
}

type Chunk = Piece & TimeSpan

/** Fetches and stores history of many symbols, piece by piece. A retry goes on where the last attempt stopped. */
export function backfillTask({
  market,
  slots,
  now,
}: {
  market: MarketService
  slots: FairSlots
  now: () => number
}): Task {
  return defineTask({
    kind: 'BACKFILL',
    ...jobDescriptions.BACKFILL,
    async run({ symbols, interval, fromMs, toMs }, context) {
      const nowMs = now()
      const span = { from: Math.floor(fromMs / 1000), to: Math.ceil(Math.min(toMs ?? nowMs, nowMs) / 1000) }
      requirePastRange({ fromMs, toMs }, nowMs)
      const reachDays = market.reachDays(interval)
      const earliest = reachDays === null ? beginningOfTime : nowMs / 1000 - reachDays * daySeconds
      const chunks = symbols.flatMap((symbol) => chunksOf(symbol, interval, span, earliest))
      const { results, failures } = await eachPiece(chunks, slots, context, ({ symbol, from, to }) =>
        market.backfill(symbol, interval, from, to),
      )
      return { result: { ...sum([...results.values()]), failures } }
    },
  })
}

/**
 * Cuts the range at the same times in every attempt, so that an attempt finds the pieces of earlier ones. The part
 * before the earliest time that the source serves is one piece, however long it is.
 */
function chunksOf(symbol: string, interval: Interval, { from, to }: TimeSpan, earliest: number): Chunk[] {
  const step = pieceDays[interval] * daySeconds
  const unreachable = Math.max(0, Math.floor((earliest - from) / step)) * step
  const chunks: Chunk[] = []
  for (let start = from, end = from; start < to; start = end) {
    end = Math.min(start + (start === from && unreachable > 0 ? unreachable : step), to)
    // The last piece grows as time passes, and then has another name.
    chunks.push({ name: `${symbol} ${start} ${end}`, symbol, from: start, to: end })
  }
  return chunks
}

function sum(extents: readonly StoredExtent[]): {
  candleCount: number
  fromEpoch: number | null
  toEpoch: number | null
} {
  const firsts = extents.flatMap(({ firstEpoch }) => firstEpoch ?? [])
  const lasts = extents.flatMap(({ lastEpoch }) => lastEpoch ?? [])
  return {
    candleCount: extents.reduce((total, { count }) => total + count, 0),
    fromEpoch: firsts.length > 0 ? firsts.reduce((a, b) => Math.min(a, b)) : null,
    toEpoch: lasts.length > 0 ? lasts.reduce((a, b) => Math.max(a, b)) : null,
  }
}
