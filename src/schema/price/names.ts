import type { GraphQLArgument } from 'graphql'

type NamedArgument = Pick<GraphQLArgument, 'name'>

type Given = Readonly<Record<string, unknown>>

/** Longer texts are not read: ids, cursors and what is searched for are shorter. */
export const longestText = 256
/** Nor is what longer lists hold: where it would count, as many are refused. */
export const mostEntries = 100

/** A text that stands for a value as arguments have it, of bounded length, which may be kept. */
export const nameOf = (value: unknown): string =>
  Array.isArray(value) ? (value.length > mostEntries ? '?' : `[${value.map(nameOfEntry).join()}]`) : nameOfEntry(value)

function nameOfEntry(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value.length > longestText ? '?' : value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '?'
}

/** The same for arguments as a price reads them and as a field gets them. */
export const nameOfArgs = (args: readonly NamedArgument[], given: Given): string =>
  args.map(({ name }) => nameOf(given[name])).join(' ')

/** Stands for a field with its arguments, where what it has given before is noted. */
export const observedName = (field: string, args: readonly NamedArgument[], given: Given): string =>
  args.length === 0 ? field : `${field} ${nameOfArgs(args, given)}`
