import type { GraphQLResolveInfo } from 'graphql'
import type { Context } from './context.ts'
import { turns } from './rows.ts'

/** Shorter lists are not divided, unless their entries are so large that few of them fill a turn. */
export const leastLongLength = 16
/** Of shorter ones that come late, so many rows are completed in one turn: about 2 ms. */
const rowsPerTurn = 500
/** How many entries are completed between two looks at the clock, and how many rows at most. */
const entriesPerLook = 16
const rowsPerLook = 200

/**
 * A list as the executor gets it: as it is, or so that its entries are completed in turns of the event loop. `rows`:
 * what its entries cost. `isLate`: its field has resolved to a promise. Many such lists may come at the same moment, all
 * that were loaded together.
 */
export function inTurns(
  list: readonly unknown[],
  rows: number,
  context: Context,
  info: GraphQLResolveInfo,
  isLate: boolean,
): unknown {
  const isCompiled = context.laterLists !== null
  const isShort = list.length < leastLongLength && (isCompiled || rows < rowsPerTurn)
  // The executor has to wait for all promises at once: one that it comes to later may have been rejected before.
  if (isShort || rows <= context.rowsAtOnce || (isCompiled && holdsPromises(list))) {
    context.rowsAtOnce -= rows
    const isAtOnce = !isLate || context.rowsAtOnce >= 0 || holdsPromises(list)
    return isAtOnce ? list : shortInTurns(list, rows, context)
  }
  if (context.laterLists) return context.laterLists.take(list, info) ? [] : list
  context.hasLongLists = true
  const pausing = (entries: readonly unknown[]): unknown => new PausingList(entries, rows, context)
  return holdsPromises(list) ? settled(list).then(pausing) : pausing(list)
}

/** To the executor, an error among the entries is what a rejected promise is. */
const settled = (list: readonly unknown[]): Promise<unknown[]> =>
  Promise.all(
    list.map(async (entry) => {
      try {
        return await entry
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error))
      }
    }),
  )

const holdsPromises = (list: readonly unknown[]): boolean => list.some((entry) => entry instanceof Promise)

interface LateTurn {
  readonly begun: Promise<unknown>
  /** How many rows more are completed in it. */
  rowsLeft: number
}

/** The last one of each operation. Not in its context: nearly all have none, and each field costs every operation. */
const lateTurns = new WeakMap<Context, LateTurn>()

function shortInTurns(list: readonly unknown[], rows: number, context: Context): unknown {
  let turn = lateTurns.get(context)
  if (!turn || turn.rowsLeft < rows) {
    turn = { begun: turns.whole(context.caller, { isFirst: true }), rowsLeft: rowsPerTurn }
    lateTurns.set(context, turn)
  }
  turn.rowsLeft -= rows
  return turn.begun.then(() => list)
}

const done = { value: undefined, done: true } as const

/** Makes an interpreter pause between its entries when the turn is over. */
class PausingList implements AsyncIterable<unknown> {
  readonly #list: readonly unknown[]
  readonly #perLook: number
  readonly #context: Context

  constructor(list: readonly unknown[], rows: number, context: Context) {
    this.#list = list
    this.#perLook = Math.max(1, Math.min(entriesPerLook, Math.floor((rowsPerLook * list.length) / rows)))
    this.#context = context
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    const [list, perLook, context] = [this.#list, this.#perLook, this.#context]
    let index = 0
    const take = (): IteratorResult<unknown> => (index < list.length ? { value: list[index++], done: false } : done)
    const next = (): IteratorResult<unknown> | Promise<IteratorResult<unknown>> => {
      if (index % perLook !== 0 || turns.now() < context.turnEndsMs) return take()
      return turns.whole(context.caller, { isFirst: index === 0 }).then((endMs) => {
        context.turnEndsMs = endMs
        return take()
      })
    }
    // What waits for an entry takes one that is there already, too: a promise for each would cost as much as the entry.
    return { next } as AsyncIterator<unknown>
  }
}
