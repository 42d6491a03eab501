import type pg from 'pg'

/** A term as it stands in the database. */
export interface StoredTerm {
  /** Grows with each term: a bigint, as text. */
  readonly term: string
  readonly isHeld: boolean
  /** Changes as long as the one who holds the term confirms it. */
  readonly beat: string
}

/** The terms of one leadership. Each statement stands by itself, so any connection will do. */
export class TermStore {
  readonly #client: Pick<pg.Client, 'query'>
  readonly #name: string

  constructor(client: Pick<pg.Client, 'query'>, name: string) {
    this.#client = client
    this.#name = name
  }

  /** null: nobody has ever led. */
  async newest(): Promise<StoredTerm | null> {
    const { rows } = await this.#client.query<StoredTerm>(
      `SELECT term::text, held_by IS NOT NULL AS "isHeld", beat::text FROM finstage.leader_terms WHERE name = $1`,
      [this.#name],
    )
    return rows[0] ?? null
  }

  /**
   * Begins the next term where nothing has happened since `seen` was read. Returns its number; null: somebody was faster, or the
   * leader has confirmed its term. A number is at least the database's time in milliseconds, so that it is greater than all before it even
   * in a database that has lost the last of them.
   */
  async take(heldBy: string, seen: StoredTerm | null): Promise<string | null> {
    const { rows } = await this.#client.query<{ term: string }>(
      `INSERT INTO finstage.leader_terms AS known (name, term, held_by)
       VALUES ($1, floor(extract(epoch FROM clock_timestamp()) * 1000), $2)
       ON CONFLICT (name) DO UPDATE
         SET term = greatest(known.term + 1, excluded.term), held_by = excluded.held_by, beat = known.beat + 1
         WHERE known.term = $3 AND known.beat = $4
       RETURNING term::text`,
      [this.#name, heldBy, seen?.term ?? null, seen?.beat ?? null],
    )
    return rows[0]?.term ?? null
  }

  /** Returns whether the term still counts. */
  async confirm(term: string): Promise<boolean> {
    const { rowCount } = await this.#client.query(
      'UPDATE finstage.leader_terms SET beat = beat + 1 WHERE name = $1 AND term = $2 AND held_by IS NOT NULL',
      [this.#name, term],
    )
    return rowCount === 1
  }

  /** Ends the term, if it still counts: the next may begin at once. */
  async release(term: string): Promise<void> {
    await this.#client.query(
      'UPDATE finstage.leader_terms SET held_by = NULL, beat = beat + 1 WHERE name = $1 AND term = $2',
      [this.#name, term],
    )
  }
}
