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

/** Whether any unsettled candle has become one of `againAfterDays` old since it was last asked for. */
export function isRevisionDue(state: SeriesState, nowMs: number, earliest: number): boolean {
  const [then, today] = [dayOf(state.revisedAtMs), dayOf(nowMs)]
  const parts = unsettledParts(state, earliest)
  return againAfterDays.some((days) => {
    const [dueFrom, dueTo] = [(then - days + 1) * daySeconds, (today - days + 1) * daySeconds]
    return parts.some(({ from, to }) => Math.max(from, dueFrom) < Math.min(to, dueTo))
  })
}

function unsettledParts({ recent, revisedAtMs }: SeriesState, earliest: number): TimeSpan[] {
  const begin = Math.max(earliest, (dayOf(revisedAtMs) - unsettledDays + 1) * daySeconds)
  return recent.filter(({ to }) => to > begin).map(({ from, to }) => ({ from: Math.max(from, begin), to }))
}

const dayOf = (epochMs: number): number => Math.floor(epochMs / dayMs)

/** Joins a revision with the missing parts after its beginning, so that one call asks for all of them. */
export function withRevision(missing: readonly TimeSpan[], revision: TimeSpan): { before: TimeSpan[]; part: TimeSpan } {
  const before = missing.filter(({ to }) => to < revision.from)
  const joined = [revision, ...missing.slice(before.length)]
  const from = Math.min(...joined.map((each) => each.from))
  return { before, part: { from, to: Math.max(...joined.map(({ to }) => to)) } }
}
