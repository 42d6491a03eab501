import {
  type Signal,
  type SignalKey,
  type SignalKind,
  type SignalOutcome,
  type StoredSignal,
  signalKinds,
} from '../../domain/analysis/signal.ts'
import { FinstageError } from '../../domain/errors.ts'
import { parseSymbol } from '../../domain/symbol.ts'
import { type Interval, intervals } from '../../domain/time/interval.ts'
import { boundedFilter } from '../bounds.ts'
import { type Connection, connection, type PageArgs } from '../connection.ts'
import type { Context } from '../context.ts'

/** A signal as clients see it: stored, or computed for this answer. */
export interface ShownSignal extends Signal {
  /**
   * Set if the signal was computed from other candles than those of jobs: the other adjustment, or extended hours. Such
   * a signal is never stored.
   */
  readonly variant?: string
  /** undefined: not loaded yet. */
  readonly outcome?: SignalOutcome | null
}

export interface SignalFilterArgs {
  readonly symbols?: readonly string[] | null | undefined
  readonly kinds?: readonly SignalKind[] | null | undefined
}

/** Resolves to null if no signal with this id is stored. */
export async function loadSignal(id: string, context: Context): Promise<StoredSignal | null> {
  const key = storedKey(id)
  return key && context.loaders.signal.load(key)
}

/** null if it is not the id of a signal that could be stored. */
function storedKey(id: string): SignalKey | null {
  const [symbol = '', interval, kind, epoch = '', ...variant] = id.split(' ')
  const key = { symbol, interval: interval as Interval, kind: kind as SignalKind, epoch: Number(epoch) }
  const isKey = intervals.includes(key.interval) && signalKinds.includes(key.kind) && /^-?\d{1,12}$/.test(epoch)
  if (!isKey || variant.length > 0) return null
  try {
    return parseSymbol(symbol) === symbol ? key : null
  } catch {
    return null
  }
}

export async function signalOutcome(
  signal: ShownSignal,
  _args: unknown,
  { loaders }: Context,
): Promise<SignalOutcome | null> {
  if (signal.outcome !== undefined || signal.variant !== undefined) return signal.outcome ?? null
  return (await loaders.signal.load(signal))?.outcome ?? null
}

export const signals = (
  _root: unknown,
  args: SignalFilterArgs & PageArgs,
  context: Context,
): Promise<Connection<StoredSignal>> => {
  const filter = checked(args)
  return connection(args, cursors, ({ after, limit }) => {
    const before = after && { knownAtMs: after[0], position: after[1] }
    return context.signals.list({ ...filter, before, limit })
  })
}

const cursors = {
  name: 'signal',
  placeOf: ({ knownAtMs, position }: StoredSignal) => [knownAtMs, position] as const,
  placeLength: 2,
} as const

export async function signalEvents(
  _root: unknown,
  args: SignalFilterArgs,
  context: Context,
): Promise<AsyncIterableIterator<StoredSignal | FinstageError>> {
  return context.signalEvents.follow(checked(args))
}

/**
 * Throws the error that ended the stream. As the last answer, it reaches the client with its code on every transport.
 */
export function signalEvent(event: StoredSignal | FinstageError, _args: unknown, context: Context): StoredSignal {
  if (event instanceof FinstageError) throw event
  context.renewLoaders()
  return event
}

const checked = ({ symbols, kinds }: SignalFilterArgs) => ({
  symbols: boundedFilter(symbols, 'symbols'),
  kinds: boundedFilter(kinds, 'kinds'),
})
