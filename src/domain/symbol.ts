import { badInput } from './errors.ts'

export const longestSymbol = 32

/** Checked before upper-casing, which turns some letters of other alphabets into A to Z. */
const symbolPattern = new RegExp(`^[A-Za-z0-9.^=&_-]{1,${longestSymbol}}$`)

/**
 * A ticker as Yahoo writes it, upper-cased: `AAPL`, `BRK-B`, `^GSPC`, `EURUSD=X`. Throws BAD_USER_INPUT if the text
 * cannot be one, so that nothing else is ever sent to a source.
 */
export function parseSymbol(text: string): string {
  if (symbolPattern.test(text)) return text.toUpperCase()
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
  throw badInput(`Not a symbol: ${JSON.stringify(shown)} (1 to 32 of A-Z 0-9 . ^ = & _ -)`)
}
