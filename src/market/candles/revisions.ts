import { clockTime } from '../../domain/time/exchange-clock.ts'
import { dayMs, daySeconds, type TimeSpan } from '../../domain/time/units.ts'
import { type SeriesState, unsettledDays } from '../../store/candles/series.ts'

/** On which UTC days after its own a final candle is asked for again. After the last one it is settled. */
const againAfterDays = [1, 3, unsettledDays]

/**
 * From the first to the last final candle of a series that is not settled, as far as the source has candles (from
 * `earliest` on, in epoch seconds); null: there is none.
 */
export function unsettledSpan(state: SeriesState, earliest: number): TimeSpan | null {
  const parts = unsettledParts(state, earliest)
  const [first, last] = [parts[0], parts.at(-1)]
  return first && last ? { from: first.from, to: last.to } : null
}

/**
 * All that is unsettled, if any of it has become one of `againAfterDays` old since it was last asked for: one call asks
 * for all as well as for less. null: none has, or no session can have opened since.
 */
export function revisionDue(state: SeriesState, nowMs: number, earliest: number): TimeSpan | null {
  if (state.revisedAtMs >= lastOpeningMs(state, nowMs)) return null
  const [then, today] = [dayOf(state.revisedAtMs), dayOf(nowMs)]
  const parts = unsettledParts(state, earliest)
  const isDue = againAfterDays.some((days) => {
    const [dueFrom, dueTo] = [(then - days + 1) * daySeconds, (today - days + 1) * daySeconds]
    return parts.some(({ from, to }) => Math.max(from, dueFrom) < Math.min(to, dueTo))
  })
  return isDue ? unsettledSpan(state, earliest) : null
}

function unsettledParts({ recent, revisedAtMs }: SeriesState, earliest: number): TimeSpan[] {
  const begin = Math.max(earliest, (dayOf(revisedAtMs) - unsettledDays + 1) * daySeconds)
  return recent.filter(({ to }) => to > begin).map(({ from, to }) => ({ from: Math.max(from, begin), to }))
}

const dayOf = (epochMs: number): number => Math.floor(epochMs / dayMs)

/**
 * The last time of day at which sessions open, in epoch milliseconds: by the exchange's clock, which may have changed
 * since the session that the store knows of.
 */
export function lastOpeningMs({ sessionOpens, timezone }: SeriesState, nowMs: number): number {
  const zone = sessionOpens === null || timezone === null ? 'UTC' : timezone
  const now = Math.floor(nowMs / 1000)
  const sinceThen = clockTime(now, zone) - clockTime(sessionOpens ?? 0, zone)
  return (now - (sinceThen - Math.floor(sinceThen / daySeconds) * daySeconds)) * 1000
}

/** Joins a revision with the missing parts after its beginning, so that one call asks for all of them. */
export function withRevision(missing: readonly TimeSpan[], revision: TimeSpan): { before: TimeSpan[]; part: TimeSpan } {
  const before = missing.filter(({ to }) => to < revision.from)
  const joined = [revision, ...missing.slice(before.length)]
  const from = Math.min(...joined.map((each) => each.from))
  return { before, part: { from, to: Math.max(...joined.map(({ to }) => to)) } }
}
