import { badInput } from '../domain/errors.ts'

const maxIds = 100

export interface DistinctIds<Id> {
  /** Each id once. */
  readonly distinct: Id[]
  /** For each id that was asked for, where it is among them. */
  readonly places: number[]
}

/** What is asked for twice is loaded once. Throws BAD_USER_INPUT where more nodes are asked for than are given at once. */
export function distinctIds<Id extends { readonly typename: string; readonly id: unknown }>(
  ids: readonly Id[],
): DistinctIds<Id> {
  if (ids.length > maxIds) throw badInput(`ids has ${ids.length} entries; at most ${maxIds} are allowed`, 'ids')
  const distinct: Id[] = []
  const known = new Map<string, number>()
  const places = ids.map((id) => {
    const name = `${id.typename}:${String(id.id)}`
    const place = known.get(name) ?? distinct.push(id) - 1
    known.set(name, place)
    return place
  })
  return { distinct, places }
}
