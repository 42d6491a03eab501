import { epochMs } from '../epoch-ms.ts'

/** JSON that Postgres accepts: without NUL characters and unpaired surrogates. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value)
  // Both are written as escapes. To look at each text for them takes several times as long.
  return json.includes('\\u') ? JSON.stringify(value, acceptable) : json
}

const acceptable = (_key: string, part: unknown): unknown =>
  typeof part === 'string' ? part.toWellFormed().replaceAll('\0', '\ufffd') : part

/** SQL for the columns of a Job. `table`: the alias of `jobs` in the statement. */
export const jobColumns = (table: string): string => `${table}.id, ${table}.position::float8 AS position, ${table}.kind,
  ${table}.owner, ${table}.priority, ${table}.state, ${table}.progress, ${table}.attempt,
  ${table}.max_attempts AS "maxAttempts", ${table}.timeout_seconds AS "timeoutSeconds", ${table}.input,
  ${epochMs(`${table}.queued_at`)} AS "queuedAtMs", ${epochMs(`${table}.run_at`)} AS "runAtMs",
  ${epochMs(`${table}.started_at`)} AS "startedAtMs", ${epochMs(`${table}.finished_at`)} AS "finishedAtMs",
  ${table}.failure, ${table}.failures, ${table}.revision::float8 AS revision,
  ${epochMs(`${table}.changed_at`)} AS "changedAtMs"`

/** SQL for an entry of the column `history`: a JobChange without id and owner, which are in the same row. */
export const historyEntry = (row: string, revision: string, changedAt: string): string => `jsonb_build_object(
  'revision', ${revision}, 'changedAtMs', ${epochMs(changedAt)}, 'state', ${row}.state, 'progress', ${row}.progress,
  'attempt', ${row}.attempt, 'runAtMs', ${epochMs(`${row}.run_at`)}, 'startedAtMs', ${epochMs(`${row}.started_at`)},
  'finishedAtMs', ${epochMs(`${row}.finished_at`)}, 'failure', ${row}.failure)`
