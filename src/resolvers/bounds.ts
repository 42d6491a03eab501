import { badInput } from '../domain/errors.ts'

/** A list within its bounds, each value once. Throws BAD_USER_INPUT where it is empty or too long: never cut in silence. */
export function boundedList<T>(values: readonly T[], max: number, field: string): T[] {
  if (values.length === 0) throw badInput(`${field} is empty`, field)
  if (values.length > max) throw badInput(`${field} has ${values.length} entries; at most ${max} are allowed`, field)
  return [...new Set(values)]
}

/** A filter of null means all. */
export function boundedFilter<T>(values: readonly T[] | null | undefined, field: string): T[] | null {
  return values == null ? null : boundedList(values, 100, field)
}

/** A whole number within its bounds. Throws BAD_USER_INPUT where it is not. */
export function bounded(value: number, min: number, max: number, field: string): number {
  if (value < min || value > max) throw badInput(`${field} is ${value}; it has to be from ${min} to ${max}`, field)
  return value
}
