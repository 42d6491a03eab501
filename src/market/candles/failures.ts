import { FinstageError } from '../../domain/errors.ts'
import type { Interval } from '../../domain/time/interval.ts'
import type { MarketSource } from '../source.ts'

/** The failure of a caller that gets stored candles because the source takes too long. */
export const notInTime = new FinstageError('SOURCE_UNAVAILABLE', 'The source has not answered in time')
export const neverAtRest = new FinstageError(
  'SOURCE_UNAVAILABLE',
  'The source keeps changing this range: try again later',
)

/**
 * Whether stored candles can stand in after this failure of the source. An operation over its limits gets that error
 * instead, and a failure of the store is not one of the source.
 */
export const mayServeStored = ({ code, temporary }: FinstageError): boolean =>
  temporary && code !== 'LIMIT_EXCEEDED' && code !== 'UNAVAILABLE'

/** A symbol that the source no longer knows keeps its stored history. */
export const isSurvivable = (error: FinstageError): boolean =>
  mayServeStored(error) || error.code === 'SYMBOL_NOT_FOUND'

/** The failure of a range that begins before all candles that the source has. */
export function outOfReach(source: Pick<MarketSource, 'reachDays'>, interval: Interval): FinstageError {
  const reachDays = source.reachDays(interval)
  if (reachDays === null) return new FinstageError('RANGE_NOT_AVAILABLE', 'No source has candles from before 1900')
  const message = `The source has ${interval} candles only for the last ${reachDays} days`
  return new FinstageError('RANGE_NOT_AVAILABLE', message, { reachDays })
}
