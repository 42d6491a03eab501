import type pg from 'pg'
import type { SymbolAnalysis, SymbolFindings } from '../../domain/analysis/analysis.ts'
import type { SignalKey } from '../../domain/analysis/signal.ts'
import type { Source } from '../../domain/instrument.ts'
import type { Interval } from '../../domain/time/interval.ts'
import { epochMs } from '../epoch-ms.ts'
import { isUuid } from '../uuid.ts'
import type { SignalStore } from './signal-store.ts'

/** There is one newest analysis for each of these. */
export interface AnalysisKey {
  readonly symbol: string
  readonly interval: Interval
}

export interface AnalysisPage {
  readonly symbol: string
  /** null: all. */
  readonly interval: Interval | null
  /** Only analyses that were stored before the one at this position. */
  readonly before: number | null
  readonly limit: number
}

/** A unique name for each key. */
export const analysisName = ({ symbol, interval }: AnalysisKey): string => `${symbol} ${interval}`

type Row = Omit<SymbolAnalysis, 'signals'> & { readonly signals: readonly Pick<SignalKey, 'kind' | 'epoch'>[] }

const columns = `id, position::float8 AS position, source, symbol, interval, ${epochMs('analysed_at')} AS "analysedAtMs",
  ${epochMs('as_of')} AS "asOfMs", price, trend, sentiment, score, indicators, signals`

/** Results of analyses, one per job and symbol. Reads return analyses of one source only. */
export class AnalysisStore {
  readonly #pool: pg.Pool
  readonly #source: Source
  readonly #signals: SignalStore

  constructor(options: { pool: pg.Pool; source: Source; signals: SignalStore }) {
    this.#pool = options.pool
    this.#source = options.source
    this.#signals = options.signals
  }

  /** Stores analyses and their signals, in the transaction in which the job succeeds. */
  async insert(client: pg.PoolClient, jobId: string, findings: readonly SymbolFindings[]): Promise<void> {
    const each = <T>(pick: (found: SymbolFindings) => T): T[] => findings.map(pick)
    // clock_timestamp() so that times have the order of positions; now() would be the start of the transaction.
    await client.query(
      `INSERT INTO finstage.symbol_analyses
         (job_id, place, source, symbol, interval, analysed_at, as_of, price, trend, sentiment, score, indicators, signals)
       SELECT $1, place - 1, source, symbol, interval, clock_timestamp(), to_timestamp(as_of_ms / 1000), price, trend, sentiment,
         score, indicators, signals
       FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::text[], $8::text[], $9::int[],
           $10::jsonb[], $11::jsonb[]) WITH ORDINALITY
         AS found(source, symbol, interval, as_of_ms, price, trend, sentiment, score, indicators, signals, place)`,
      [
        jobId,
        each(({ source }) => source),
        each(({ symbol }) => symbol),
        each(({ interval }) => interval),
        each(({ asOfMs }) => asOfMs),
        each(({ price }) => price),
        each(({ trend }) => trend),
        each(({ sentiment }) => sentiment),
        each(({ score }) => score),
        each(({ indicators }) => JSON.stringify(indicators)),
        each(({ signals }) => JSON.stringify(signals.map(({ kind, epoch }) => ({ kind, epoch })))),
      ],
    )
    // Last, because its lock holds up others that store signals.
    await this.#signals.insert(
      client,
      findings.flatMap(({ signals }) => signals),
    )
  }

  async find(id: string): Promise<SymbolAnalysis | null> {
    if (!isUuid(id)) return null
    const [found = null] = await this.#select('FROM finstage.symbol_analyses WHERE source = $1 AND id = $2', [id])
    return found
  }

  /** The analyses of a job, in the order in which their symbols were asked for. */
  ofJob(jobId: string): Promise<SymbolAnalysis[]> {
    return this.#select('FROM finstage.symbol_analyses WHERE source = $1 AND job_id = $2 ORDER BY place', [jobId])
  }

  /** Newest first, in the order of storing. */
  list({ symbol, interval, before, limit }: AnalysisPage): Promise<SymbolAnalysis[]> {
    return this.#select(
      `FROM finstage.symbol_analyses AS analysis
       WHERE source = $1 AND symbol = $2 AND ($3::text IS NULL OR interval = $3) AND ($4::bigint IS NULL OR position < $4)
       ORDER BY analysis.position DESC LIMIT $5`,
      [symbol, interval, before, limit],
    )
  }

  /** One entry per key, in order: the newest analysis, or null if there is none. */
  async newest(keys: readonly AnalysisKey[]): Promise<(SymbolAnalysis | null)[]> {
    const found = await this.#select(
      `FROM unnest($2::text[], $3::text[]) AS asked(asked_symbol, asked_interval) CROSS JOIN LATERAL (
         SELECT * FROM finstage.symbol_analyses WHERE source = $1 AND symbol = asked_symbol AND interval = asked_interval
         ORDER BY position DESC LIMIT 1) AS newest`,
      [keys.map(({ symbol }) => symbol), keys.map(({ interval }) => interval)],
    )
    const newest = new Map(found.map((analysis) => [analysisName(analysis), analysis]))
    return keys.map((key) => newest.get(analysisName(key)) ?? null)
  }

  /** Deletes analyses whose job is gone, of all sources, except the newest of each key. Returns how many. */
  async prune(): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `DELETE FROM finstage.symbol_analyses AS old WHERE job_id IS NULL AND EXISTS (
         SELECT FROM finstage.symbol_analyses AS newer WHERE newer.source = old.source AND newer.symbol = old.symbol
           AND newer.interval = old.interval AND newer.position > old.position)`,
    )
    return rowCount ?? 0
  }

  /** `from`: the statement from its FROM clause on. Its first parameter is the source. */
  async #select(from: string, values: readonly unknown[]): Promise<SymbolAnalysis[]> {
    const { rows } = await this.#pool.query<Row>(`SELECT ${columns} ${from}`, [this.#source, ...values])
    return rows.map((row) => ({
      ...row,
      signals: row.signals.map((key) => ({ symbol: row.symbol, interval: row.interval, ...key })),
    }))
  }
}
