import { badInput } from './errors.ts'

/** Looked at before it is upper-cased: other alphabets have letters that become A to Z by that. */
const symbolPattern = /^[A-Za-z0-9.^=&_-]{1,32}$/

/**
 * A ticker as Yahoo writes it, upper-cased: `AAPL`, `BRK-B`, `^GSPC`, `EURUSD=X`.
 * Throws BAD_USER_INPUT where the text can't be one, so that nothing else ever leaves the house.
 */
export function parseSymbol(text: string): string {
  if (symbolPattern.test(text)) return text.toUpperCase()
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
  throw badInput(`Not a symbol: ${JSON.stringify(shown)} (1 to 32 of A-Z 0-9 . ^ = & _ -)`)
}
