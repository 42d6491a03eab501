import type { Instrument, InstrumentKind } from '../../domain/instrument.ts'
import { boundedFilter } from '../bounds.ts'
import { type Connection, connection, type PageArgs } from '../connection.ts'
import type { Context } from '../context.ts'

export interface MarketInstrumentsArgs extends PageArgs {
  readonly kinds?: readonly InstrumentKind[] | null | undefined
}

interface Listed {
  readonly instrument: Instrument
  /** Its place in the source's list. */
  readonly place: number
}

/** null: the source has no list. Rejects with BAD_USER_INPUT. */
export async function marketInstruments(
  _root: unknown,
  args: MarketInstrumentsArgs,
  context: Context,
): Promise<Connection<Instrument> | null> {
  const kinds = boundedFilter(args.kinds, 'kinds')
  const all = context.market.instruments()
  const { edges, pageInfo } = await connection(args, cursors, async ({ after, limit }) => {
    const found: Listed[] = []
    let place = 0
    for (const instrument of all ?? []) {
      place++
      if (place <= (after?.[0] ?? 0) || (kinds && !kinds.includes(instrument.kind))) continue
      found.push({ instrument, place })
      if (found.length === limit) break
    }
    return found
  })
  return all && { edges: edges.map(({ node, cursor }) => ({ node: node.instrument, cursor })), pageInfo }
}

const cursors = { name: 'instrument', placeOf: ({ place }: Listed) => [place] as const, placeLength: 1 } as const
