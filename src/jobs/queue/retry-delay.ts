import { FinstageError } from '../../domain/errors.ts'

const longestSeconds = 300

/**
 * When to try again after so many failed attempts: 2, 4, 8 ... up to 300 s, of which the second half is left to chance, so that
 * jobs that failed together do not come back together. Not before a source wants to be asked again.
 */
export function retryInSeconds(failures: number, error: unknown, random: () => number): number {
  const backOff = Math.min(longestSeconds, 2 ** failures)
  const wanted = error instanceof FinstageError ? (error.details.retryAfterSeconds ?? 0) : 0
  return Math.max(wanted, 0) + (backOff * (1 + random())) / 2
}
