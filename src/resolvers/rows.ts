import { badInput } from '../domain/errors.ts'
import { EventLoopTurns } from '../platform/event-loop-turns.ts'
import type { Context } from './context.ts'

/** The candles of the longest series with all of its indicators: an operation gets no more memory than that takes. */
const mostRows = 500_000
/** They are worked on for some ten milliseconds. */
const candlesPerTurn = 10_000

/** Of the process: it has one event loop. */
const turns = new EventLoopTurns(candlesPerTurn)

export interface RowsCost {
  /** Candles or points of the answer. */
  readonly rows: number
  /** How many candles are gone through for them. */
  readonly candles: number
}

/**
 * What `work` gives: at once, or as a promise where the event loop has to get to others first, so that who asks for little need not
 * wait for who asks for much. Throws BAD_USER_INPUT where an operation has asked for more than 500,000 rows altogether.
 */
export function answerRows<T>({ rows, candles }: RowsCost, context: Context, work: () => T): T | Promise<T> {
  context.rowCount += rows
  if (context.rowCount > mostRows) {
    throw badInput(`An operation gets at most ${mostRows} candles and points altogether: ask for fewer at once`)
  }
  return turns.run(context, candles + 1, work)
}
