import { z } from 'zod'
import type { InstrumentMatch } from '../../domain/instrument.ts'
import { parseSymbol } from '../../domain/symbol.ts'
import { kindOf } from './quote.ts'

const answer = z.object({ quotes: z.array(z.unknown()) })
const text = z.string().nullable().catch(null)

/** Companies without a listing come among the rest, with isYahooFinance: false and no symbol. */
const searchRow = z.object({
  isYahooFinance: z.literal(true),
  symbol: z.string(),
  quoteType: text,
  longname: text,
  shortname: text,
  exchDisp: text,
  exchange: text,
})

/** Reads a search answer, the best match first. Throws if it is not one. */
export function readMatches(body: unknown, limit: number): InstrumentMatch[] {
  const matches = answer.parse(body).quotes.flatMap((row) => readMatch(row) ?? [])
  return matches.slice(0, limit)
}

function readMatch(row: unknown): InstrumentMatch | null {
  const { data } = searchRow.safeParse(row)
  const symbol = data && symbolOf(data.symbol)
  if (!symbol) return null
  return {
    symbol,
    name: data.longname ?? data.shortname,
    kind: kindOf(data.quoteType ?? ''),
    exchange: data.exchDisp ?? data.exchange,
  }
}

/** null: not a symbol that a client could ask for. */
function symbolOf(text: string): string | null {
  try {
    return parseSymbol(text)
  } catch {
    return null
  }
}
