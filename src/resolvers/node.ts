import { badInput } from '../domain/errors.ts'

const maxIds = 100

/** Throws BAD_USER_INPUT where more nodes are asked for than are given at once. */
export function boundedIds<T>(ids: T[]): T[] {
  if (ids.length > maxIds) throw badInput(`ids has ${ids.length} entries; at most ${maxIds} are allowed`, 'ids')
  return ids
}
