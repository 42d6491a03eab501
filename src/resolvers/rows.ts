import { badInput } from '../domain/errors.ts'
import type { Steps } from '../domain/steps.ts'
import { ByteShares } from '../platform/concurrency/byte-shares.ts'
import { type Caller, EventLoopTurns, type WorkKind } from '../platform/concurrency/event-loop-turns.ts'
import { type Context, rowsOfEvent, rowsOfOperation } from './context.ts'

/** How long the work of operations holds the event loop at a time. */
const turnMs = 2

/** One for the process, because it has one event loop. */
export const turns = new EventLoopTurns(turnMs)

/** For all long answers together that are made or wait to be sent. */
const longAnswersBytes = 256 * 1024 * 1024
/** Answers of so many rows may take 512 KiB and more. */
const leastLongRows = 10_000
/** Measured: while an answer of 25 MB is made, with the objects that it is made of. */
const makingBytes = 64 * 1024 * 1024

export const longAnswers = new ByteShares(longAnswersBytes)

/**
 * To be waited for before a part of an answer is made: there may be no room for one more long answer now. undefined:
 * there is.
 */
export function roomFor({ caller, rowsLeft, takesRoom }: Context): Promise<void> | undefined {
  if (!takesRoom || rowsLeft > rowsOfOperation - leastLongRows) return undefined
  return longAnswers.take(caller, makingBytes)
}

/** As text, as bytes in pieces, and joined or compressed. */
const copiesAtOnce = 3

/** The same before an answer of 512 KiB and more, `length` characters of text, is turned into bytes. */
export function roomForBytes({ caller, takesRoom }: Context, length: number): Promise<void> | undefined {
  const bytes = Math.min(copiesAtOnce * length, makingBytes)
  if (!longAnswers.holds(caller)) return takesRoom ? longAnswers.take(caller, bytes) : undefined
  longAnswers.resize(caller, bytes)
  return undefined
}

/** Nobody waits for the answer any more, or it is sent: it gives its room back. A mutation runs to its end all the same. */
export function leave({ caller, takesRoom }: Context, { isQuery }: { readonly isQuery: boolean }): void {
  if (isQuery) turns.drop(caller)
  if (takesRoom) longAnswers.leave(caller)
}

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
 * Returns the result of `work`: at once, or as a promise if others have to be served first. So a small
 * request does not wait for a large one. `rows`: what the work costs beside the entries of the answer. Throws like
 * `spendRows`.
 */
export function answerRows<T>(rows: number, context: Context, work: () => T): T | Promise<T> {
  spendRows(rows, context)
  const waiting = roomFor(context)
  return waiting ? waiting.then(() => turns.run(context.caller, work)) : turns.run(context.caller, work)
}

/** The same for work in steps: after each one, others may have their turn. */
export function answerSteps<T>(rows: number, context: Context, kind: WorkKind, steps: Steps<T>): T | Promise<T> {
  spendRows(rows, context)
  const waiting = roomFor(context)
  return waiting ? waiting.then(() => runSteps(steps, context.caller, kind)) : runSteps(steps, context.caller, kind)
}

/** Returns the result of work in steps: at once if it is done before the turn is over. */
export function runSteps<T>(steps: Steps<T>, caller: Caller, kind: WorkKind): T | Promise<T> {
  const some = (untilMs: number): IteratorResult<undefined, T> => {
    for (;;) {
      const step = steps.next()
      if (step.done || turns.now() >= untilMs) return step
    }
  }
  const begun = turns.run(caller, some, kind)
  return begun instanceof Promise || !begun.done ? restOf(begun, some, caller, kind) : begun.value
}

async function restOf<T>(
  begun: IteratorResult<undefined, T> | Promise<IteratorResult<undefined, T>>,
  some: (untilMs: number) => IteratorResult<undefined, T>,
  caller: Caller,
  kind: WorkKind,
): Promise<T> {
  let step = await begun
  while (!step.done) step = await turns.goOn(caller, some, kind)
  return step.value
}
