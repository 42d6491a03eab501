import type pg from 'pg'
import type { SymbolAnalysis, SymbolFindings } from '../domain/analysis.ts'
import { isUuid } from './uuid.ts'

const columns = `id, symbol, interval, floor(extract(epoch FROM analysed_at) * 1000)::float8 AS "analysedAtMs",
  floor(extract(epoch FROM as_of) * 1000)::float8 AS "asOfMs", price, trend, indicators`

/** Results of analyses, one for each job and symbol. */
export class AnalysisStore {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  /** Written with the job's success, in its transaction. */
  async insert(client: pg.PoolClient, jobId: string, findings: readonly SymbolFindings[]): Promise<void> {
    await client.query(
      `INSERT INTO finstage.symbol_analyses (job_id, place, symbol, interval, as_of, price, trend, indicators)
       SELECT $1, place - 1, symbol, interval, to_timestamp(as_of_ms / 1000), price, trend, indicators
       FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::jsonb[])
         WITH ORDINALITY AS found(symbol, interval, as_of_ms, price, trend, indicators, place)`,
      [
        jobId,
        findings.map(({ symbol }) => symbol),
        findings.map(({ interval }) => interval),
        findings.map(({ asOfMs }) => asOfMs),
        findings.map(({ price }) => price),
        findings.map(({ trend }) => trend),
        findings.map(({ indicators }) => JSON.stringify(indicators)),
      ],
    )
  }

  async find(id: string): Promise<SymbolAnalysis | null> {
    if (!isUuid(id)) return null
    const { rows } = await this.#pool.query<SymbolAnalysis>(
      `SELECT ${columns} FROM finstage.symbol_analyses WHERE id = $1`,
      [id],
    )
    return rows[0] ?? null
  }

  /** The analyses of a job, in the order in which their symbols were asked for. */
  async ofJob(jobId: string): Promise<SymbolAnalysis[]> {
    const { rows } = await this.#pool.query<SymbolAnalysis>(
      `SELECT ${columns} FROM finstage.symbol_analyses WHERE job_id = $1 ORDER BY place`,
      [jobId],
    )
    return rows
  }
}
