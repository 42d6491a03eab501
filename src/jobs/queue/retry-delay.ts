import { FinstageError } from '../../domain/errors.ts'

const longestSeconds = 300

/**
 * The delay before the next attempt, in seconds, after this many failed ones. It is half of 2, 4, 8 ... 300 s plus a
 * random share of the other half, so that jobs that failed together do not come back together. Where the error says
 * when a source may be asked again, that time is added.
 */
export function retryInSeconds(failures: number, error: unknown, random: () => number): number {
  const backOff = Math.min(longestSeconds, 2 ** failures)
  const wanted = error instanceof FinstageError ? (error.details.retryAfterSeconds ?? 0) : 0
  return Math.max(wanted, 0) + (backOff * (1 + random())) / 2
}
