import { badInput } from '../../domain/errors.ts'
import { calendarOf } from '../../domain/exchange-calendar/calendars.ts'
import type { Session } from '../../domain/exchange-calendar/exchange-calendar.ts'
import type { Exchange } from '../../domain/instrument.ts'
import { daySeconds } from '../../domain/time/units.ts'
import type { Context } from '../context.ts'
import { answerRows } from '../rows.ts'

const maxDates = 400

export interface SessionArgs {
  /** YYYY-MM-DD */
  readonly from: string
  readonly to: string
}

/** null: the exchange has no calendar, or it does not know all of these dates. Rejects with BAD_USER_INPUT. */
export function sessions(
  { code }: Exchange,
  { from, to }: SessionArgs,
  context: Context,
): readonly Session[] | null | Promise<readonly Session[] | null> {
  const [first, end] = [Date.parse(from) / 1000, Date.parse(to) / 1000]
  if (first >= end) throw badInput('from must be earlier than to', 'from')
  const dates = (end - first) / daySeconds
  if (dates > maxDates) throw badInput(`from and to are ${dates} dates apart; at most ${maxDates} are allowed`, 'to')
  const calendar = calendarOf(code)
  return calendar && answerRows(dates, context, () => calendar.sessions(first, end))
}

/** Epoch seconds. null: not known. */
export const nextOpen = ({ code }: Exchange, _args: unknown, { now }: Context): number | null =>
  calendarOf(code)?.nextOpen(now() / 1000) ?? null

/** Epoch seconds. null: not known. */
export const nextClose = ({ code }: Exchange, _args: unknown, { now }: Context): number | null =>
  calendarOf(code)?.nextClose(now() / 1000) ?? null
