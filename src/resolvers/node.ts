import { badInput } from '../domain/errors.ts'

const maxIds = 100

/** Throws BAD_USER_INPUT if `nodes` is asked for too many at once. */
export function boundedIds<T>(ids: T[]): T[] {
  if (ids.length > maxIds) throw badInput(`ids has ${ids.length} entries; at most ${maxIds} are allowed`, 'ids')
  return ids
}
