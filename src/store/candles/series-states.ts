import { LRUCache } from 'lru-cache'
import type { TimeSpan } from '../../domain/time/units.ts'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import type { DatabasePool } from '../../platform/database/pool.ts'
import { type Series, type SeriesState, seriesName } from './series.ts'
import { type StoredSeries, type StoredSeriesRow, storedColumns, toStoredSeries } from './stored-series.ts'

/** More series than a board asks for at once. */
const seriesPerStatement = 200
const rememberedSymbols = 20_000
/** Longer than Postgres goes on with a transaction whose client has given up. */
const uncertainMs = 120_000

/** Series of a symbol that are known, or being read. */
type Known = Map<string, StoredSeries | null | typeof reading>
const reading = Symbol('reading')

/**
 * What the store knows of series: read for each request, all that are asked for at about the same time with one
 * statement. If this process is the only one that writes, what it has read stays true until it writes.
 */
export class SeriesStates {
  readonly #batcher: Batcher<Series, StoredSeries | null>
  readonly #known: LRUCache<string, Known> | null
  /** The writes under way or failed whose outcome is not known yet, by the monotonic clock. */
  #uncertainUntilMs = 0

  constructor(pool: DatabasePool, isOnlyWriter: boolean) {
    this.#batcher = new Batcher((series) => readSeries(pool, series), seriesPerStatement)
    this.#known = isOnlyWriter ? new LRUCache({ max: rememberedSymbols }) : null
  }

  /** null: nothing of the series was ever stored. At once where it is known. */
  async state(series: Series, span: TimeSpan): Promise<SeriesState | null> {
    const known = this.#at(series)
    const stored = known === undefined ? await this.#read(series) : known
    return stored && stateIn(stored, span)
  }

  #at({ source, symbol, ...series }: Series): StoredSeries | null | undefined {
    const known = this.#known?.get(`${source} ${symbol}`)?.get(seriesName({ source, symbol, ...series }))
    return known === reading ? undefined : known
  }

  async #read(series: Series): Promise<StoredSeries | null> {
    if (!this.#known || this.#isUncertain) return this.#batcher.add(series)
    const symbol = `${series.source} ${series.symbol}`
    const name = seriesName(series)
    const known: Known = this.#known.get(symbol) ?? new Map()
    this.#known.set(symbol, known)
    known.set(name, reading)
    const stored = await this.#batcher.add(series).catch((error: unknown) => {
      if (known.get(name) === reading) known.delete(name)
      throw error
    })
    // Whoever wrote meanwhile has replaced the map of the symbol.
    if (known.get(name) === reading) known.set(name, stored)
    return stored
  }

  /**
   * Runs a write of a symbol's series, or of any. What was read before it is forgotten. What it has left of its own
   * series is known after it, unless somebody else has written to the symbol meanwhile.
   */
  async write<T extends { readonly left: StoredSeries | null }>(
    series: Series | null,
    work: () => Promise<T>,
  ): Promise<T> {
    if (!this.#known) return work()
    const symbol = series && `${series.source} ${series.symbol}`
    const before = symbol === null ? null : this.#known.get(symbol)
    const began: Known = before ?? new Map()
    if (symbol !== null && !before) this.#known.set(symbol, began)
    let left: StoredSeries | null = null
    try {
      const written = await work()
      left = written.left
      return written
    } catch (error) {
      // It may have been committed, or still be.
      this.#uncertainUntilMs = performance.now() + uncertainMs
      this.#known.clear()
      throw error
    } finally {
      if (series === null || symbol === null) this.#known.clear()
      else if (left === null || this.#known.get(symbol) !== began || this.#isUncertain) this.#known.delete(symbol)
      else this.#known.set(symbol, new Map([[seriesName(series), left]]))
    }
  }

  get #isUncertain(): boolean {
    return performance.now() < this.#uncertainUntilMs
  }
}

async function readSeries(pool: DatabasePool, series: readonly Series[]): Promise<(StoredSeries | null)[]> {
  const { rows } = await pool.query<StoredSeriesRow & { place: number }>({
    name: 'candle-series',
    // Which of the series asked for, from 1 on.
    text: `SELECT place::int4, ${storedColumns}
           FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) WITH ORDINALITY
             AS asked (source, symbol, interval, extended_hours, place)
           JOIN finstage.candle_series AS known USING (source, symbol, interval, extended_hours)`,
    values: [
      series.map(({ source }) => source),
      series.map(({ symbol }) => symbol),
      series.map(({ interval }) => interval),
      series.map(({ extendedHours }) => extendedHours),
    ],
  })
  const found: (StoredSeries | null)[] = series.map(() => null)
  for (const { place, ...row } of rows) found[place - 1] = toStoredSeries(row)
  return found
}

function stateIn({ covered, recentFrom, ...known }: StoredSeries, span: TimeSpan): SeriesState {
  const gaps: TimeSpan[] = []
  let { from } = span
  for (const part of covered) {
    if (part.to <= from) continue
    if (part.from >= span.to) break
    if (part.from > from) gaps.push({ from, to: part.from })
    from = part.to
  }
  if (from < span.to) gaps.push({ from, to: span.to })
  const recent = covered
    .filter(({ to }) => to > recentFrom)
    .map((part) => ({ from: Math.max(part.from, recentFrom), to: part.to }))
  return { ...known, gaps, recent }
}
