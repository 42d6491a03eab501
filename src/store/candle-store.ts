import type pg from 'pg'
import type { Candle } from '../domain/candle.ts'
import type { Source } from '../domain/instrument.ts'
import type { Interval } from '../domain/interval.ts'
import { transaction } from '../platform/pool.ts'

/** Which candles: those of one symbol and interval from one source. */
export interface Series {
  readonly source: Source
  readonly symbol: string
  readonly interval: Interval
}

/** A span of time in epoch seconds, `from` inclusive, `to` exclusive. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface StoredCandles {
  /** Oldest first. */
  readonly candles: readonly Candle[]
  /** Start times, in epoch seconds, of the rows that the source sent unusable. */
  readonly excluded: readonly number[]
  /** When this server had the newest of them, in epoch milliseconds. */
  readonly receivedAtMs: number
}

interface Row {
  epoch: number
  open: number | null
  high: number
  low: number
  close: number
  volume: number | null
  closed: boolean
}

/** Candles in Postgres, and which spans of them are there for good. */
export class CandleStore {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  /** The parts of a span that are not stored for good, oldest first. */
  async gaps(series: Series, span: Span): Promise<Span[]> {
    const { rows } = await this.#pool.query<{ from: number; to: number }>({
      name: 'candle-gaps',
      text: `SELECT lower(gap)::float8 AS from, upper(gap)::float8 AS to
             FROM unnest(int8multirange(int8range($4, $5)) - coalesce(
               (SELECT covered FROM finstage.candle_coverage WHERE source = $1 AND symbol = $2 AND interval = $3),
               '{}')) AS gap`,
      values: [series.source, series.symbol, series.interval, span.from, span.to],
    })
    return rows
  }

  async read(series: Series, span: Span): Promise<StoredCandles> {
    const { rows } = await this.#pool.query<Row>({
      name: 'candle-read',
      text: `SELECT epoch::float8 AS epoch, open, high, low, close, volume, closed FROM finstage.candles
             WHERE source = $1 AND symbol = $2 AND interval = $3 AND epoch >= $4 AND epoch < $5 ORDER BY candles.epoch`,
      values: [series.source, series.symbol, series.interval, span.from, span.to],
    })
    const candles: Candle[] = []
    const excluded: number[] = []
    for (const row of rows) {
      if (row.open === null) excluded.push(row.epoch)
      else candles.push({ ...row, open: row.open })
    }
    return { candles, excluded, receivedAtMs: await this.#receivedAtMs(series) }
  }

  async #receivedAtMs(series: Series): Promise<number> {
    const { rows } = await this.#pool.query<{ received: number }>({
      name: 'candle-received',
      text: `SELECT floor(extract(epoch FROM received_at) * 1000)::float8 AS received FROM finstage.candle_coverage
             WHERE source = $1 AND symbol = $2 AND interval = $3`,
      values: [series.source, series.symbol, series.interval],
    })
    return rows[0]?.received ?? Date.now()
  }

  /** Puts what was fetched of a span in place of what was there; `final` is the part of it that never changes again. */
  async write(series: Series, span: Span, fetched: Omit<StoredCandles, 'receivedAtMs'>, final: Span): Promise<void> {
    const key = [series.source, series.symbol, series.interval]
    const { candles, excluded } = fetched
    await transaction(this.#pool, async (client) => {
      await client.query(
        `DELETE FROM finstage.candles WHERE source = $1 AND symbol = $2 AND interval = $3 AND epoch >= $4 AND epoch < $5
           AND epoch <> ALL ($6::bigint[])`,
        [...key, span.from, span.to, [...candles.map((candle) => candle.epoch), ...excluded]],
      )
      await client.query(
        `INSERT INTO finstage.candles AS known (source, symbol, interval, epoch, open, high, low, close, volume, closed)
         SELECT $1, $2, $3, row.* FROM unnest($4::bigint[], $5::float8[], $6::float8[], $7::float8[], $8::float8[],
           $9::float8[], $10::boolean[]) AS row
         ON CONFLICT (source, symbol, interval, epoch) DO UPDATE SET (open, high, low, close, volume, closed) =
           (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.closed)
         WHERE (known.open, known.high, known.low, known.close, known.volume, known.closed) IS DISTINCT FROM
           (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.closed)`,
        [
          ...key,
          [...candles.map((candle) => candle.epoch), ...excluded],
          [...candles.map((candle) => candle.open), ...excluded.map(() => null)],
          [...candles.map((candle) => candle.high), ...excluded.map(() => null)],
          [...candles.map((candle) => candle.low), ...excluded.map(() => null)],
          [...candles.map((candle) => candle.close), ...excluded.map(() => null)],
          [...candles.map((candle) => candle.volume), ...excluded.map(() => null)],
          [...candles.map((candle) => candle.closed), ...excluded.map(() => true)],
        ],
      )
      await client.query(
        `INSERT INTO finstage.candle_coverage AS known (source, symbol, interval, covered)
         VALUES ($1, $2, $3, int8multirange(int8range($4, $5)))
         ON CONFLICT (source, symbol, interval)
         DO UPDATE SET covered = known.covered + excluded.covered, received_at = excluded.received_at`,
        [...key, final.from, Math.max(final.from, final.to)],
      )
    })
  }
}
