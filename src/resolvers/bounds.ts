import { badInput } from '../domain/errors.ts'

/** Returns each value once. Throws BAD_USER_INPUT if the list is empty or too long; it never cuts a list silently. */
export function boundedList<T>(values: readonly T[], max: number, field: string): T[] {
  if (values.length === 0) throw badInput(`${field} is empty`, field)
  if (values.length > max) throw badInput(`${field} has ${values.length} entries; at most ${max} are allowed`, field)
  return [...new Set(values)]
}

/** Like `boundedList`, for a filter of at most 100 values; null means all. */
export function boundedFilter<T>(values: readonly T[] | null | undefined, field: string): T[] | null {
  return values == null ? null : boundedList(values, 100, field)
}

/** Returns the whole number. Throws BAD_USER_INPUT if it is out of bounds. */
export function bounded(value: number, min: number, max: number, field: string): number {
  if (value < min || value > max) throw badInput(`${field} is ${value}; it has to be from ${min} to ${max}`, field)
  return value
}

/**
 * Returns the text. Throws BAD_USER_INPUT unless it has 1 to `max` characters, none of them a control character or half
 * of a surrogate pair. Postgres can't store NUL, and it gets every half of a pair as the same U+FFFD. Some sources
 * refuse such texts too.
 */
export function printable(text: string, max: number, field: string): string {
  // A character is a code point, of up to two units: the first test keeps very long texts from being taken apart.
  if (text.length <= 2 * max && /^[^\p{Cc}\p{Cs}]+$/u.test(text) && [...text].length <= max) return text
  throw badInput(`${field} has to have 1 to ${max} printable characters`, field)
}
