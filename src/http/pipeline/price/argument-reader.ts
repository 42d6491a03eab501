import { type GraphQLInputType, isEnumType, isInputObjectType, isListType, isNonNullType } from 'graphql'
import { longestSymbol } from '../../../domain/symbol.ts'
import { longestText, mostEntries } from '../../../schema/price/names.ts'
import { instantOf, numberOf } from '../../../schema/price/price.ts'

/** undefined: the value can't be read. null stays null. */
type Reader = (value: unknown) => unknown

const text: Reader = (value) => (typeof value === 'string' && value.length <= longestText ? value : undefined)

const number: Reader = (value) => numberOf(value) ?? undefined

const scalars: Readonly<Record<string, Reader>> = {
  Int: number,
  Float: number,
  EpochSeconds: number,
  BigInt: number,
  Boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  String: text,
  ID: (value) => (typeof value === 'number' ? String(value) : text(value)),
  Symbol: (value) => (typeof value === 'string' && value.length <= longestSymbol ? value : undefined),
  DateTime: (value) => instantOf(value) ?? undefined,
  Date: text,
}

const unreadable: Reader = () => undefined

/**
 * Reads what a client says for an argument of a type: nothing throws, takes long or comes out large, whatever the value
 * is. Values come out as execution hands them to the field, but for symbols in lower case. An entry that can't be read
 * stays in its list as undefined. A list that is too long stays as it is: only its length counts.
 */
export function readerOf(type: GraphQLInputType): Reader {
  const read = nonNullReaderOf(isNonNullType(type) ? type.ofType : type)
  return (value) => (value === null || value === undefined ? value : read(value))
}

function nonNullReaderOf(type: GraphQLInputType): Reader {
  if (isListType(type)) {
    const entry = readerOf(type.ofType)
    return (value) => {
      if (!Array.isArray(value)) return [entry(value)]
      return value.length > mostEntries ? value : value.map(entry)
    }
  }
  if (isEnumType(type)) {
    return (value) => (typeof value === 'string' ? type.getValue(value)?.value : undefined)
  }
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).map(({ name, type }) => ({ name, read: readerOf(type) }))
    return (value) => {
      if (typeof value !== 'object') return undefined
      const given = value as Readonly<Record<string, unknown>>
      return Object.fromEntries(
        fields.map(({ name, read }) => [name, Object.hasOwn(given, name) ? read(given[name]) : undefined]),
      )
    }
  }
  return ('name' in type && scalars[type.name]) || unreadable
}
