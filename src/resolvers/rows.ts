import { badInput } from '../domain/errors.ts'
import { EventLoopTurns } from '../platform/concurrency/event-loop-turns.ts'
import { type Context, rowsOfEvent, rowsOfOperation } from './context.ts'

/** How long the work of operations holds the event loop at a time. */
const turnMs = 2

/** One for the process, because it has one event loop. */
export const turns = new EventLoopTurns(turnMs)

/**
 * Charges rows to an operation: candles that it loads, candles before the first node that its indicators read, entries
 * of lists in its answer. Throws BAD_USER_INPUT if an operation exceeds 750,000 in all, or one event of a subscription
 * 75,000.
 */
export function spendRows(rows: number, context: Context): void {
  // Refused rows are not charged: the operation's other fields may still fit.
  if (rows > context.rowsLeft) {
    const most = `${rowsOfOperation} candles and other rows, an event of a subscription ${rowsOfEvent}`
    throw badInput(`An operation gets at most ${most}: ask for less at once`)
  }
  context.rowsLeft -= rows
}

/**
 * Returns the result of `work`: at once, or as a promise if the event loop has to serve others first. So a small
 * request does not wait for a large one. `rows`: what the work costs beside the entries of the answer. Throws like
 * `spendRows`.
 */
export function answerRows<T>(rows: number, context: Context, work: () => T): T | Promise<T> {
  spendRows(rows, context)
  return turns.run(context.caller, work)
}
