import type pg from 'pg'
import type { CorporateActions, Dividend, Split } from '../../domain/corporate-action.ts'
import type { Source } from '../../domain/instrument.ts'
import type { TimeSpan } from '../../domain/time/units.ts'

interface Key {
  readonly source: Source
  readonly symbol: string
}

/** Dividends and splits whose date lies in a span. */
export async function readActions(
  client: Pick<pg.Pool, 'query'>,
  { source, symbol }: Key,
  { from, to }: TimeSpan,
): Promise<CorporateActions> {
  const values = [source, symbol, from, to]
  const where = 'WHERE source = $1 AND symbol = $2 AND epoch >= $3 AND epoch < $4 ORDER BY 1'
  const { rows: dividends } = await client.query<Dividend>({
    name: 'dividends',
    text: `SELECT epoch::float8, amount, currency FROM finstage.dividends ${where}`,
    values,
  })
  const { rows: splits } = await client.query<Split>({
    name: 'splits',
    text: `SELECT epoch::float8, numerator, denominator FROM finstage.splits ${where}`,
    values,
  })
  return { dividends, splits }
}

/** The dates of actions that were added, removed or changed. */
export interface ActionChanges {
  readonly dividends: readonly number[]
  readonly splits: readonly number[]
}

export const changedActions = (known: CorporateActions, { dividends, splits }: CorporateActions): ActionChanges => ({
  dividends: changedDates(known.dividends, dividends, (a, b) => a.amount === b.amount && a.currency === b.currency),
  splits: changedDates(known.splits, splits, (a, b) => a.numerator === b.numerator && a.denominator === b.denominator),
})

/** Makes the changes; new actions are recorded as seen at `seenMs`. Runs within a transaction of the client. */
export async function replaceActions(
  client: Pick<pg.Pool, 'query'>,
  key: Key,
  changes: ActionChanges,
  { dividends, splits }: CorporateActions,
  seenMs: number,
): Promise<void> {
  const own = [key.source, key.symbol]
  for (const [table, dates] of [
    ['dividends', changes.dividends],
    ['splits', changes.splits],
  ] as const) {
    if (dates.length === 0) continue
    await client.query(
      `DELETE FROM finstage.${table} WHERE source = $1 AND symbol = $2 AND epoch = ANY ($3::bigint[])`,
      [...own, dates],
    )
  }
  const added = dividends.filter(({ epoch }) => changes.dividends.includes(epoch))
  if (added.length > 0) {
    await client.query({
      name: 'dividends-added',
      text: `INSERT INTO finstage.dividends (source, symbol, epoch, amount, currency, seen_at)
         SELECT $1, $2, epoch, amount, currency, to_timestamp($6::float8 / 1000)
         FROM unnest($3::bigint[], $4::float8[], $5::text[]) AS added(epoch, amount, currency)`,
      values: [
        ...own,
        added.map(({ epoch }) => epoch),
        added.map(({ amount }) => amount),
        added.map(({ currency }) => currency),
        seenMs,
      ],
    })
  }
  for (const each of splits.filter(({ epoch }) => changes.splits.includes(epoch))) {
    const { epoch, numerator, denominator } = each
    await client.query('INSERT INTO finstage.splits VALUES ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000))', [
      ...own,
      epoch,
      numerator,
      denominator,
      seenMs,
    ])
  }
}

function changedDates<T extends { readonly epoch: number }>(
  before: readonly T[],
  after: readonly T[],
  same: (a: T, b: T) => boolean,
): number[] {
  const old = new Map(before.map((each) => [each.epoch, each]))
  const changed = after.filter((each) => {
    const known = old.get(each.epoch)
    return known === undefined || !same(known, each)
  })
  const dates = new Set(after.map(({ epoch }) => epoch))
  return [...changed, ...before.filter(({ epoch }) => !dates.has(epoch))].map(({ epoch }) => epoch)
}
