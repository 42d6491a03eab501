import { LRUCache } from 'lru-cache'
import { Counter, type Registry } from 'prom-client'
import type { ExchangeCalendar } from '../../domain/exchange-calendar/exchange-calendar.ts'
import { calendarFor, type Listed } from '../../domain/sessions/session-hours.ts'
import { daySeconds } from '../../domain/time/units.ts'
import type { Logger } from '../../platform/logger.ts'

/** How rows differ from the calendar of their exchange. The rows are what is served. */
export type CalendarDifference =
  /** A row on a date on which the exchange is closed. */
  | 'unexpected session'
  /** No row on a date of a session, between others. */
  | 'missing session'
  /** A row before the opening or after the bell. */
  | 'outside of hours'

/** A calendar, and how the rows of one of its dates (midnight UTC, in epoch seconds) differ from it. */
export type Differs = (calendar: ExchangeCalendar, kind: CalendarDifference, date: number) => void

interface Rows {
  readonly market: Listed
  /** Rows that are served, oldest first. */
  readonly rows: readonly { readonly epoch: number }[]
  readonly differs: Differs
}

/** Compares daily rows with the calendar. `sent`: with those that are left out, since their dates had a session too. */
export function compareDays({ market, rows, sent, differs }: Rows & { readonly sent: Rows['rows'] }): void {
  const calendar = calendarFor(market)
  const [first, last] = [rows[0]?.epoch, rows.at(-1)?.epoch]
  if (!calendar || first === undefined || last === undefined) return
  const leftOut = sent.length > rows.length ? new Set(sent.map(({ epoch }) => epoch)) : null
  let place = 0
  for (let date = first; date <= last; date += daySeconds) {
    const hasRow = rows[place]?.epoch === date
    if (hasRow) place++
    const session = calendar.sessionOn(date)
    if (session === null && hasRow) differs(calendar, 'unexpected session', date)
    if (session && !hasRow && !leftOut?.has(date)) differs(calendar, 'missing session', date)
  }
}

/** Compares rows under a day, of regular sessions, with the calendar. */
export function compareTimes({ market, rows, dateOf, differs }: Rows & { dateOf: (epoch: number) => number }): void {
  const calendar = calendarFor(market)
  if (!calendar?.hasBell) return
  let [opens, closes] = [Number.NaN, Number.NaN]
  for (const { epoch } of rows) {
    if (epoch >= opens && epoch < closes) continue
    const date = dateOf(epoch)
    const session = calendar.sessionOn(date)
    ;[opens, closes] = session ? [session.opens, session.closes] : [Number.NaN, Number.NaN]
    if (session === null) differs(calendar, 'unexpected session', date)
    else if (session && (epoch < opens || epoch >= closes)) differs(calendar, 'outside of hours', date)
  }
}

/** For how many dates and kinds it is remembered that they were counted. */
const remembered = 20_000

/** Counts differences between rows and calendars, once for each date, whichever symbol shows them, and logs them. */
export class CalendarDifferences {
  readonly #log: Pick<Logger, 'info'> | undefined
  readonly #counter: Counter<'calendar' | 'kind'>
  readonly #counted = new LRUCache<string, true>({ max: remembered })

  constructor(log: Pick<Logger, 'info'> | undefined, registry: Registry | undefined) {
    this.#log = log
    this.#counter = new Counter({
      name: 'finstage_calendar_differences_total',
      help: "Dates on which the source's rows differ from the calendar of the exchange",
      labelNames: ['calendar', 'kind'],
      registers: registry ? [registry] : [],
    })
  }

  count({ id }: ExchangeCalendar, kind: CalendarDifference, date: number, symbol: string): void {
    const key = `${id} ${kind} ${date}`
    if (this.#counted.has(key)) return
    this.#counted.set(key, true)
    this.#counter.inc({ calendar: id, kind })
    const day = new Date(date * 1000).toISOString().slice(0, 10)
    this.#log?.info({ calendar: id, kind, date: day, symbol }, 'rows of the source differ from the calendar')
  }
}
