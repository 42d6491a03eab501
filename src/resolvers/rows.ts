import { badInput } from '../domain/errors.ts'
import { EventLoopTurns } from '../platform/event-loop-turns.ts'
import type { Context } from './context.ts'

/** The longest series with all of its indicators, every field selected, takes 720,000. Measured: a row takes about 2 us of CPU. */
const mostRows = 750_000
/** They are worked on for some ten milliseconds. */
const candlesPerTurn = 10_000

/** Of the process: it has one event loop. */
const turns = new EventLoopTurns(candlesPerTurn)

/**
 * Counts what an operation costs, in rows: candles that it loads, candles before the first node that its indicators go through,
 * entries of the lists that it is answered with. Throws BAD_USER_INPUT where they are more than 750,000 altogether.
 */
export function spendRows(rows: number, context: Context): void {
  // What is refused does not count: what else was asked for may fit.
  if (context.rowCount + rows > mostRows) {
    throw badInput(`An operation gets at most ${mostRows} candles and other rows altogether: ask for fewer at once`)
  }
  context.rowCount += rows
}

export interface RowsCost {
  /** What is counted beside the entries of the answer. */
  readonly rows: number
  /** How many candles are gone through. */
  readonly candles: number
}

/**
 * What `work` gives: at once, or as a promise where the event loop has to get to others first, so that who asks for little need not
 * wait for who asks for much. Throws as `spendRows` does.
 */
export function answerRows<T>({ rows, candles }: RowsCost, context: Context, work: () => T): T | Promise<T> {
  spendRows(rows, context)
  return turns.run(context, candles + 1, work)
}
