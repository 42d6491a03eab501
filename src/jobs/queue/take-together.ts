import type pg from 'pg'
import { Batcher } from '../../platform/concurrency/batcher.ts'
import type { LibraryFallbacks } from '../../platform/library-fallbacks.ts'
import {
  interceptTakes,
  isUnknownToPostgres,
  recognisedTake,
  type TakeMany,
  type WorkerStatement,
} from '../../store/jobs/graphile-internals.ts'

const maxAtOnce = 100
/** One of this many places that are filled gets the job that has been due for longest. */
const oldestEvery = 4

const notRecognised =
  'graphile-worker takes jobs with a statement that is not recognised: each worker takes its own, no job goes first for having waited longest, and jobs of lost workers wait for a place'

export interface JobTakerOptions {
  readonly pool: pg.Pool
  /** Takes only jobs of lost workers. */
  readonly onlyLost: boolean
  readonly fallbacks: LibraryFallbacks
}

interface Take {
  readonly statement: WorkerStatement
  readonly many: TakeMany
}

/**
 * Lets those of graphile-worker's workers that look for a job at the same time take their jobs with one statement. It
 * takes no more jobs than there are idle workers. So no job waits in this process, where a more urgent one that comes
 * later could not overtake it, as it would in graphile-worker's own local queue.
 *
 * Every fourth place gets the job that has been due for longest, whatever its priority, so that none waits for ever,
 * however many urgent ones come.
 *
 * Where a statement is not recognised, it goes on to Postgres as it is.
 */
export class JobTaker {
  /** For graphile-worker. */
  readonly pool: pg.Pool
  readonly #options: JobTakerOptions
  readonly #takes: Batcher<Take, { rows: unknown[] }>
  /** How many places were filled since one got the job that had been due for longest. */
  #sinceOldest = 0
  #isRecognised: boolean | undefined
  #last: { readonly text: string; readonly values: number; readonly many: TakeMany | null } | undefined

  constructor(options: JobTakerOptions) {
    this.#options = options
    this.#takes = new Batcher((takes) => this.#takeAll(takes), maxAtOnce)
    this.pool = interceptTakes(options.pool, (statement) => this.#take(statement))
  }

  /** undefined: no worker has looked for a job yet. */
  get isRecognised(): boolean | undefined {
    return this.#isRecognised
  }

  /** Call it when a worker was given a job. */
  onJob(): void {
    if (!this.#isRecognised) this.#report()
  }

  #take(statement: WorkerStatement): Promise<{ rows: unknown[] }> | undefined {
    const many = this.#isRecognised === false ? null : this.#recognised(statement)
    this.#isRecognised = many !== null
    if (many) return this.#takes.add({ statement, many })
    this.#report()
    // The statement would take any job.
    return this.#options.onlyLost ? Promise.resolve({ rows: [] }) : undefined
  }

  /** Looks only at what it has not seen: workers send the same text each time. */
  #recognised(statement: WorkerStatement): TakeMany | null {
    if (this.#last?.text !== statement.text || this.#last.values !== statement.values.length) {
      this.#last = { text: statement.text, values: statement.values.length, many: recognisedTake(statement) }
    }
    return this.#last.many
  }

  async #takeAll(takes: readonly Take[]): Promise<{ rows: unknown[] }[]> {
    const { pool, onlyLost } = this.#options
    const [first] = takes
    if (!first) return []
    const count = takes.length
    const oldest = onlyLost ? 0 : Math.floor((this.#sinceOldest + count) / oldestEvery)
    try {
      // The numbers stand in the text, so that Postgres plans for them, and plans once.
      const { rows } = await pool.query({
        name: `finstage get_jobs ${count} ${oldest}${onlyLost ? ' lost' : ''}`,
        text: first.many({ count, oldest, onlyLost }),
        values: [...first.statement.values],
      })
      this.#sinceOldest = (this.#sinceOldest + rows.length) % oldestEvery
      return takes.map((_, i) => ({ rows: rows.slice(i, i + 1) }))
    } catch (error) {
      if (!isUnknownToPostgres(error)) throw error
      this.#isRecognised = false
      this.#report()
      if (onlyLost) return takes.map(() => ({ rows: [] }))
      return Promise.all(takes.map(({ statement }) => pool.query(statement as pg.QueryConfig)))
    }
  }

  #report(): void {
    this.#options.fallbacks.report('graphile-worker', notRecognised)
  }
}
