import { badInput } from '../domain/errors.ts'
import { EventLoopTurns } from '../platform/event-loop-turns.ts'
import { type Context, rowsOfEvent, rowsOfOperation } from './context.ts'

/** Candles are worked on for some ten milliseconds. */
const candlesPerTurn = 10_000

/** Of the process: it has one event loop. */
const turns = new EventLoopTurns(candlesPerTurn)

/**
 * Counts what an operation costs, in rows: candles that it loads, candles before the first node that its indicators go through,
 * entries of the lists that it is answered with. Throws BAD_USER_INPUT where they are more than 750,000 altogether, or 75,000 in
 * one event of a subscription.
 */
export function spendRows(rows: number, context: Context): void {
  // What is refused does not count: what else was asked for may fit.
  if (rows > context.rowsLeft) {
    const most = `${rowsOfOperation} candles and other rows altogether, an event of a subscription ${rowsOfEvent}`
    throw badInput(`An operation gets at most ${most}: ask for fewer at once`)
  }
  context.rowsLeft -= rows
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
