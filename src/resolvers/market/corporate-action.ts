import type { Dividend, Split } from '../../domain/corporate-action.ts'
import { badInput } from '../../domain/errors.ts'
import type { Instrument } from '../../domain/instrument.ts'
import type { Context } from '../context.ts'

export interface ActionArgs {
  /** Epoch milliseconds. */
  readonly from?: number | null | undefined
  readonly to?: number | null | undefined
}

export const dividends = async (
  instrument: Instrument,
  args: ActionArgs,
  context: Context,
): Promise<readonly Dividend[]> => (await load(instrument, args, context)).dividends

export const splits = async (instrument: Instrument, args: ActionArgs, context: Context): Promise<readonly Split[]> =>
  (await load(instrument, args, context)).splits

async function load({ symbol }: Instrument, { from, to }: ActionArgs, context: Context) {
  if (from != null && to != null && from >= to) throw badInput('from must be earlier than to', 'from')
  return context.market.actions(
    symbol,
    from == null ? null : Math.ceil(from / 1000),
    to == null ? null : Math.ceil(to / 1000),
    context.loaders.budget,
  )
}
