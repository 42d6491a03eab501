import { dayMs, daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { type SeriesState, unsettledDays } from '../../store/candles/series.ts'

/** On which UTC days after its own a final candle is asked for again. After the last one it is settled. */
const againAfterDays = [1, 3, unsettledDays]

/**
 * The part of a series that is asked for again, because some of it has become one of `againAfterDays` old since it was
 * last asked for; null: none has. It is all that is unsettled: one call asks for that as well as for less.
 *
 * `earliest`: from when on the source has candles, in epoch seconds. `always`: whether any is due or not.
 */
export function revisionDue(state: SeriesState, nowMs: number, earliest: number, always = false): TimeSpan | null {
  const then = Math.floor(state.revisedAtMs / dayMs)
  const today = Math.floor(nowMs / dayMs)
  const unsettledFrom = Math.max(earliest, (then - unsettledDays + 1) * daySeconds)
  const unsettled = state.recent.filter(({ to }) => to > unsettledFrom)
  const [first, last] = [unsettled[0], unsettled.at(-1)]
  if (!first || !last) return null
  const isDue = againAfterDays.some((days) =>
    unsettled.some(({ from, to }) => {
      const dueFrom = Math.max(unsettledFrom, (then - days + 1) * daySeconds)
      return Math.max(from, dueFrom) < Math.min(to, (today - days + 1) * daySeconds)
    }),
  )
  return always || isDue ? { from: Math.max(first.from, unsettledFrom), to: last.to } : null
}

/** Joins a revision with the missing parts after its beginning, so that one call asks for all of them. */
export function withRevision(missing: readonly TimeSpan[], revision: TimeSpan): { before: TimeSpan[]; part: TimeSpan } {
  const before = missing.filter(({ to }) => to < revision.from)
  const joined = [revision, ...missing.slice(before.length)]
  const from = Math.min(...joined.map((each) => each.from))
  return { before, part: { from, to: Math.max(...joined.map(({ to }) => to)) } }
}
