import { epochOf } from '../time/exchange-clock.ts'
import { tradingDate } from '../time/trading-date.ts'
import { daySeconds, hourSeconds, type TimeSpan, weekSeconds } from '../time/units.ts'
import type { CalendarRules } from './calendar-rules.ts'
import { weekdayOf, yearOf } from './date-rules.ts'
import { isTradingWeekday, regularHours, type TradingYear, tradingYear, weekRule } from './trading-year.ts'

/** One regular session; times in epoch seconds. */
export interface Session {
  /** Its trading date: midnight UTC. */
  readonly date: number
  /** CME's sessions open the evening before their date. */
  readonly opens: number
  readonly closes: number
  /** Lunch, on exchanges that have one. */
  readonly breaks: readonly TimeSpan[]
  /** Whether it closes earlier than usual on its weekday. */
  readonly shortened: boolean
}

/** No exchange was ever closed for so long between two sessions. */
const longestPauseDays = 60

/** As many as there are dates in half a century. */
const rememberedDates = 20_000
/** Sessions of this length leave no more than a pause between them. */
export const roundTheClockSeconds = 23 * hourSeconds

/**
 * The sessions of one exchange. Dates are midnight UTC, in epoch seconds. Of dates that its rules do not know it says so,
 * by `undefined` or null: it never guesses.
 */
export class ExchangeCalendar {
  readonly #rules: CalendarRules
  readonly #years = new Map<number, TradingYear>()
  /**
   * By the number of the day since the epoch, which is a faster key than its time. Candles ask for the same dates again
   * and again, and finding an instant by an exchange's clock is slow.
   */
  readonly #sessions = new Map<number, Session | null>()
  /** Whether its sessions end with a bell, rather than leave no more than a pause. */
  readonly hasBell: boolean

  constructor(rules: CalendarRules) {
    this.#rules = rules
    this.hasBell = rules.hours.every(({ opens, closes }) => closes - opens < roundTheClockSeconds)
  }

  /** ISO 10383 market identifier, or `FX`, `CRYPTO`. */
  get id(): string {
    return this.#rules.id
  }

  /** IANA name of the time zone in which its dates and weeks are counted. */
  get timezone(): string {
    return this.#rules.timezone
  }

  /** Who published its rules and dates. */
  get sources(): readonly string[] {
    return this.#rules.sources
  }

  /**
   * When its sessions open as a rule, in seconds after the midnight of their date by its clock; negative: the evening
   * before.
   */
  get opensAt(): number {
    return this.#rules.hours.at(-1)?.opens ?? 0
  }

  /** The dates that it knows, `to` exclusive. */
  get known(): TimeSpan {
    return { from: this.#rules.knownFrom, to: this.#rules.knownTo + daySeconds }
  }

  /** null: closed on that date. undefined: nothing is known of it. */
  sessionOn(date: number): Session | null | undefined {
    const day = date / daySeconds
    const known = this.#sessions.get(day)
    if (known !== undefined) return known
    if (date < this.#rules.knownFrom || date > this.#rules.knownTo) return undefined
    const session = this.#newSession(date)
    if (this.#sessions.size >= rememberedDates) this.#sessions.clear()
    this.#sessions.set(day, session)
    return session
  }

  #newSession(date: number): Session | null {
    if (!isTradingWeekday(this.#rules, date)) return null
    const { closed, special } = this.#year(yearOf(date))
    if (closed.has(date)) return null
    const regular = regularHours(this.#rules, date)
    const { opens, closes, breaks } = special.get(date) ?? regular
    const at = (secondsOfDate: number) => epochOf(date + secondsOfDate, this.timezone)
    return {
      date,
      opens: at(opens),
      closes: at(closes),
      breaks: breaks.map(({ from, to }) => ({ from: at(from), to: at(to) })),
      shortened: closes < regular.closes,
    }
  }

  /** Whether there are sessions on a date's weekday, holidays apart; also where nothing else is known of the date. */
  isTradingWeekday(date: number): boolean {
    return isTradingWeekday(this.#rules, date)
  }

  /** Sessions of the dates from `from` until before `to`, oldest first. null: not all of these dates are known. */
  sessions(from: number, to: number): Session[] | null {
    const sessions: Session[] = []
    for (let date = from; date < to; date += daySeconds) {
      const session = this.sessionOn(date)
      if (session === undefined) return null
      if (session !== null) sessions.push(session)
    }
    return sessions
  }

  /** The session that runs at a time, lunch included. null: none does. undefined: not known. */
  sessionAt(epoch: number): Session | null | undefined {
    const date = tradingDate(epoch, this.timezone)
    // From the evening on, the session of the next date may run.
    const possible = [this.sessionOn(date), this.sessionOn(date + daySeconds)]
    const running = possible.find((session) => session && session.opens <= epoch && epoch < session.closes)
    return running ?? (possible.includes(undefined) ? undefined : null)
  }

  /** When the next session opens, after a time. null: not known. */
  nextOpen(after: number): number | null {
    return this.#firstAfter(after, ({ opens }) => opens)
  }

  /** When the session that runs closes, or else the next one, after a time. null: not known. */
  nextClose(after: number): number | null {
    return this.#firstAfter(after, ({ closes }) => closes)
  }

  /**
   * The dates of a date's week, `to` exclusive. A week begins on the exchange's first weekday: Sunday in Riyadh, else
   * mostly Monday, so that a single session on a Sunday closes the week before.
   */
  weekOf(date: number): TimeSpan {
    const { since, until, firstWeekday } = weekRule(this.#rules, date)
    const start = date - ((weekdayOf(date) - firstWeekday + 7) % 7) * daySeconds
    return { from: Math.max(start, since), to: Math.min(start + weekSeconds, until) }
  }

  /** Sessions of dates before that of `after` have closed: none lasts beyond the midnight that ends its date. */
  #firstAfter(after: number, timeOf: (session: Session) => number): number | null {
    const date = tradingDate(after, this.timezone)
    for (let days = 0; days <= longestPauseDays; days++) {
      const session = this.sessionOn(date + days * daySeconds)
      if (session === undefined) return null
      if (session !== null && timeOf(session) > after) return timeOf(session)
    }
    return null
  }

  #year(year: number): TradingYear {
    let known = this.#years.get(year)
    if (!known) {
      known = tradingYear(this.#rules, year)
      this.#years.set(year, known)
    }
    return known
  }
}
