import type { SymbolFailure } from '../../domain/analysis/analysis.ts'
import { FinstageError } from '../../domain/errors.ts'
import type { FairSlots } from '../../platform/concurrency/fair-slots.ts'
import type { TaskContext } from '../queue/define-task.ts'

/**
 * How many symbols a process works on at once, over all its jobs. More than a source answers at once, since some are
 * being stored.
 */
export const symbolsAtOnce = 24

/** A part of a job that succeeds, fails and is saved by itself. */
export interface Piece {
  /** Unique within the job. */
  readonly name: string
  readonly symbol: string
}

export interface PiecesDone<Result> {
  /** By the name of the piece. */
  readonly results: ReadonlyMap<string, Result>
  /** The first failure of each symbol that had one, in the order of the pieces. */
  readonly failures: readonly SymbolFailure[]
}

type Saved<Result> = { readonly result: Result } | { readonly failure: SymbolFailure }

/**
 * Runs the pieces of a job, as many at once as there are slots, which all jobs of this process share. Each piece fails
 * alone. Results and permanent failures are saved, and later attempts do not repeat them. A temporary failure fails the
 * attempt after all other pieces have run, so that the next attempt runs only what failed. In the last attempt a
 * temporary failure counts as permanent, unless nothing has succeeded. After an abort no further piece starts; calls of
 * a source that are under way end within their time-outs.
 */
export async function eachPiece<P extends Piece, Result>(
  pieces: readonly P[],
  slots: FairSlots,
  context: TaskContext,
  work: (piece: P) => Promise<Result>,
): Promise<PiecesDone<Result>> {
  const { jobId, signal, progress, savedParts, savePart, log, isLast } = context
  const names = new Set(pieces.map(({ name }) => name))
  const saved = [...(await savedParts())] as [string, Saved<Result>][]
  // An earlier attempt may have cut the job into other pieces.
  const done = new Map(saved.filter(([name]) => names.has(name)))
  const passing = new Map<string, FinstageError>()
  const tell = (): void => progress((done.size + passing.size) / pieces.length)
  const one = async (piece: P): Promise<void> => {
    const saved = await work(piece).then(
      (result): Saved<Result> => ({ result }),
      (thrown: unknown): Saved<Result> | null => {
        signal.throwIfAborted()
        const error = asFinstageError(thrown)
        if (error !== thrown) log.error({ err: thrown, symbol: piece.symbol }, 'a symbol failed')
        if (error.temporary) passing.set(piece.name, error)
        return error.temporary ? null : { failure: failureOf(piece, error) }
      },
    )
    if (saved) {
      await savePart(piece.name, saved)
      done.set(piece.name, saved)
    }
    tell()
  }
  tell()
  const waiting = pieces.filter(({ name }) => !done.has(name))
  const ends = await Promise.allSettled(waiting.map((piece) => slots.run(jobId, () => one(piece), signal)))
  signal.throwIfAborted()
  for (const end of ends) if (end.status === 'rejected') throw end.reason

  const results = new Map<string, Result>()
  const failures = new Map<string, SymbolFailure>()
  for (const piece of pieces) {
    const saved = done.get(piece.name)
    if (saved && 'result' in saved) {
      results.set(piece.name, saved.result)
      continue
    }
    const failure = saved?.failure ?? failureOf(piece, passing.get(piece.name))
    if (!failures.has(piece.symbol)) failures.set(piece.symbol, failure)
  }
  const [first] = passing.values()
  if (first && (!isLast || results.size === 0)) throw first
  return { results, failures: [...failures.values()] }
}

const asFinstageError = (error: unknown): FinstageError =>
  error instanceof FinstageError
    ? error
    : new FinstageError('INTERNAL', 'Something went wrong with this symbol', {}, error)

function failureOf({ symbol }: Piece, error: FinstageError | undefined): SymbolFailure {
  return { symbol, code: error?.code ?? 'INTERNAL', message: error?.message ?? 'This symbol was not processed' }
}
