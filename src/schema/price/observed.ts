import { defaultFieldResolver, type GraphQLSchema, isObjectType } from 'graphql'
import type { Context } from '../../resolvers/context.ts'
import { observedName } from './names.ts'

/** What a field has lately given: a price can go by it where neither document nor arguments tell. */
export interface Observed {
  /** How many entries its list had; of an object, 1 or 0. */
  readonly entries: number
  /** Of jobs: which share has a result, of how many symbols, and of which types. */
  readonly results?: number
  readonly symbols?: number
  readonly resultTypes?: readonly string[]
}

/** Tells what is observed of what a field resolves to, which may be null. */
export type Observe = (result: unknown) => Observed

export const observedList: Observe = (result) => ({ entries: Array.isArray(result) ? result.length : 0 })

export const observedObject: Observe = (result) => ({ entries: result === null || result === undefined ? 0 : 1 })

/** Has the fields whose prices go by what they have given before note it. */
export function observeFields(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue
    for (const field of Object.values(type.getFields())) {
      const observe = field.extensions.observe as Observe | undefined
      if (!observe) continue
      const resolve = field.resolve ?? defaultFieldResolver
      const name = `${type.name}.${field.name}`
      field.resolve = (source, args: Readonly<Record<string, unknown>>, context: Context, info) => {
        const result: unknown = resolve(source, args, context, info)
        const { observations } = context
        if (!observations) return result
        const note = (found: unknown): unknown => {
          observations.note(observedName(name, field.args, args), observe(found))
          return found
        }
        return result instanceof Promise ? result.then(note) : note(result)
      }
    }
  }
  return schema
}
