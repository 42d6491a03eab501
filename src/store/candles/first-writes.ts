import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import type { TimeSpan } from '../../domain/time/units.ts'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import { isOutage } from '../../platform/database/outage.ts'
import { type DatabasePool, transaction } from '../../platform/database/pool.ts'
import { type CandleRow, copyCandles } from './candle-copy.ts'
import { replacing, type StampedRows } from './candle-rows.ts'
import { finalEnd } from './candle-write.ts'
import { openFromOf } from './fetch-record.ts'
import { type FetchedCandles, type Series, type SeriesState, seriesKey } from './series.ts'
import { type StoredSeries, type StoredSeriesRow, storedColumns, toStoredSeries } from './stored-series.ts'

/** So many series share a transaction at most: those that come first should not wait for long. */
const seriesTogether = 8
/** Longer answers are written by themselves: sharing would save them little and hold up the others. */
const longestCandles = 2000
/** Rows that are kept for the request that waits for them, which reads them next: those of some fifty analyses. */
const keptRows = 40_000

/** The first fetch of a series. */
interface FirstFetch {
  readonly series: Series
  readonly span: TimeSpan
  readonly fetched: FetchedCandles
}

interface FirstWrite {
  readonly left: StoredSeries
  readonly rows: readonly CandleRow[]
}

/**
 * Writes the first fetches of symbols of which nothing is stored. They change nothing that is there, so those that come
 * at about the same time share one transaction. It never waits for a lock: symbols that somebody else is writing to are
 * left out.
 */
export class FirstWrites {
  readonly #batcher: Batcher<FirstFetch, FirstWrite | null>
  /** By the id of the series. */
  readonly #written = new LRUCache<number, FirstWrite>({
    maxSize: keptRows,
    sizeCalculation: ({ rows }) => rows.length + 1,
  })

  constructor(pool: DatabasePool) {
    this.#batcher = new Batcher(
      (fetches) => transaction(pool, (client) => writeTogether(client, fetches)),
      seriesTogether,
      (error) => !isOutage(error),
    )
  }

  /** Returns what is stored of the series then; null: nothing was written, and it has to take its turn. */
  async write(series: Series, span: TimeSpan, fetched: FetchedCandles): Promise<StoredSeries | null> {
    if (!fetched.isFirst || fetched.candles.length > longestCandles) return null
    const written = await this.#batcher.add({ series, span, fetched })
    if (written) this.#written.set(written.left.id, written)
    return written?.left ?? null
  }

  /** The rows of a span, once, if the series is still as it was written here. */
  take({ id, rowVersion }: SeriesState, { from, to }: TimeSpan): StampedRows | null {
    const written = this.#written.get(id)
    if (!written) return null
    this.#written.delete(id)
    const { left, rows } = written
    if (left.rowVersion !== rowVersion) return null
    const { generation, settledVersion, openFrom } = left
    const inside = rows.filter(({ minute }) => minute * 60 >= from && minute * 60 < to)
    return { rows: inside, generation, settledVersion, rowVersion, openFrom }
  }
}

/** Runs within a transaction of the client. Returns, for each fetch, what it has written; null: nothing. */
async function writeTogether(client: pg.PoolClient, fetches: readonly FirstFetch[]): Promise<(FirstWrite | null)[]> {
  const ofSymbol = new Map<string, FirstFetch>()
  for (const fetch of fetches) {
    // The other series of a symbol depend on the splits and dividends of the first.
    if (!ofSymbol.has(symbolName(fetch.series))) ofSymbol.set(symbolName(fetch.series), fetch)
  }
  const free = await lockedAtOnce(client, [...ofSymbol.values()])
  const created = free.length === 0 ? new Map<string, StoredSeries>() : await createAll(client, free)
  const written = new Map<FirstFetch, FirstWrite>()
  for (const fetch of free) {
    const left = created.get(symbolName(fetch.series))
    if (left) written.set(fetch, { left, rows: replacing([], fetch.span, fetch.fetched).wanted })
  }
  const copied = [...written.values()].map(({ left, rows }) => ({ seriesId: left.id, rows }))
  if (copied.length > 0) await copyCandles(client, copied)
  return fetches.map((fetch) => written.get(fetch) ?? null)
}

const symbolName = ({ source, symbol }: Pick<Series, 'source' | 'symbol'>): string => `${source} ${symbol}`

/** Locks the symbols that nobody else is writing to, as `lockSymbol` does. Returns their fetches. */
async function lockedAtOnce(client: pg.PoolClient, fetches: readonly FirstFetch[]): Promise<FirstFetch[]> {
  const { rows } = await client.query<{ place: number }>({
    name: 'candle-locks-tried',
    text: `SELECT place::int4 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (source, symbol, place)
           WHERE pg_try_advisory_xact_lock(hashtextextended('candles ' || source || ' ' || symbol, 0))`,
    values: [fetches.map(({ series }) => series.source), fetches.map(({ series }) => series.symbol)],
  })
  return rows.map(({ place }) => fetches[place - 1] as FirstFetch)
}

/** Another series of a symbol may have brought splits and dividends, which this fetch may lack or change. */
const nothingOf = (table: string): string =>
  `NOT EXISTS (SELECT FROM finstage.${table} AS known WHERE known.source = asked.source AND known.symbol = asked.symbol)`

/**
 * Records the series as `createSeries` and `recordFetch` do one after the other, with the splits and dividends of days.
 * Returns those that it has recorded, by symbol.
 */
async function createAll(client: pg.PoolClient, fetches: readonly FirstFetch[]): Promise<Map<string, StoredSeries>> {
  const each = <T>(pick: (fetch: FirstFetch) => T): T[] => fetches.map(pick)
  const ofDays = fetches.filter(({ series }) => series.interval === 'DAY_1')
  const dividends = ofDays.flatMap(({ series, fetched }) =>
    fetched.dividends.map((paid) => ({ ...paid, series, fetched })),
  )
  const splits = ofDays.flatMap(({ series, fetched }) => fetched.splits.map((split) => ({ ...split, series, fetched })))
  const keys = each(({ series }) => seriesKey(series))
  const { rows } = await client.query<StoredSeriesRow & Pick<Series, 'source' | 'symbol'>>({
    name: 'candle-series-first',
    text: `WITH created AS (
             INSERT INTO finstage.candle_series AS known (source, symbol, interval, extended_hours, timezone, currency,
               first_trade, exchange, session_opens, session_closes, open_from, covered, received_at, basis_at,
               revised_at, actions_at)
             SELECT source, symbol, interval, extended_hours, timezone, currency, first_trade, exchange, session_opens,
               CASE WHEN session_opens IS NOT NULL THEN session_closes END, open_from,
               int8multirange(int8range(span_from, final_to)), started_at, started_at, started_at,
               CASE WHEN is_current AND interval = 'DAY_1'
                 AND span_from <= least(span_to, floor(started_ms / 1000)) THEN started_at END
             FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::bigint[],
               $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
               $15::float8[], $16::boolean[])
               AS asked (source, symbol, interval, extended_hours, timezone, currency, first_trade, exchange,
                 session_opens, session_closes, open_from, span_from, span_to, final_to, started_ms, is_current),
               to_timestamp(started_ms / 1000) AS started_at
             WHERE ${['candle_series', 'dividends', 'splits'].map(nothingOf).join(' AND ')}
             RETURNING source, symbol, ${storedColumns}
           ), paid AS (
             INSERT INTO finstage.dividends (source, symbol, epoch, amount, currency, seen_at)
             SELECT source, symbol, epoch, amount, added.currency, to_timestamp(started_ms / 1000)
             FROM unnest($17::text[], $18::text[], $19::bigint[], $20::float8[], $21::text[], $22::float8[])
               AS added (source, symbol, epoch, amount, currency, started_ms) JOIN created USING (source, symbol)
           ), split AS (
             INSERT INTO finstage.splits (source, symbol, epoch, numerator, denominator, seen_at)
             SELECT source, symbol, epoch, numerator, denominator, to_timestamp(started_ms / 1000)
             FROM unnest($23::text[], $24::text[], $25::bigint[], $26::float8[], $27::float8[], $28::float8[])
               AS added (source, symbol, epoch, numerator, denominator, started_ms) JOIN created USING (source, symbol)
           ) SELECT * FROM created`,
    values: [
      ...[0, 1, 2, 3].map((column) => keys.map((key) => key[column])),
      each(({ fetched }) => fetched.facts?.timezone ?? null),
      each(({ fetched }) => fetched.facts?.currency ?? null),
      each(({ fetched }) => fetched.facts?.firstTradeEpoch ?? null),
      each(({ fetched }) => fetched.facts?.exchange ?? null),
      each(({ fetched }) => fetched.facts?.sessionOpens ?? null),
      each(({ fetched }) => fetched.facts?.sessionCloses ?? null),
      each(({ fetched }) => openFromOf(fetched)),
      each(({ span }) => span.from),
      each(({ span }) => span.to),
      each(({ span, fetched }) => finalEnd(span, fetched)),
      each(({ fetched }) => fetched.startedMs),
      each(({ fetched }) => fetched.isCurrent),
      dividends.map(({ series }) => series.source),
      dividends.map(({ series }) => series.symbol),
      dividends.map(({ epoch }) => epoch),
      dividends.map(({ amount }) => amount),
      dividends.map(({ currency }) => currency),
      dividends.map(({ fetched }) => fetched.startedMs),
      splits.map(({ series }) => series.source),
      splits.map(({ series }) => series.symbol),
      splits.map(({ epoch }) => epoch),
      splits.map(({ numerator }) => numerator),
      splits.map(({ denominator }) => denominator),
      splits.map(({ fetched }) => fetched.startedMs),
    ],
  })
  return new Map(rows.map(({ source, symbol, ...row }) => [symbolName({ source, symbol }), toStoredSeries(row)]))
}
