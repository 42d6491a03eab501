import { GraphQLError } from 'graphql'
import type { Exceeded, StandingBound } from './standing-points.ts'

/** Without a stack, which takes half of the time of a refusal and which nobody reads. */
export function refusal(message: string, extensions: Readonly<Record<string, unknown>>): GraphQLError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new GraphQLError(message, { extensions })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

interface Answer {
  readonly place: string
  readonly setting: string
  /** 0: waiting does not help. Of all together, others may end theirs. */
  readonly retryAfterSeconds: number
  /** Over HTTP. */
  readonly status: number
}

const answers: Readonly<Record<StandingBound, Answer>> = {
  standing_points_of_connection: {
    place: 'on this connection',
    setting: 'MAX_STANDING_POINTS_PER_CONNECTION',
    retryAfterSeconds: 0,
    status: 429,
  },
  standing_points_of_client: {
    place: 'from your address',
    setting: 'MAX_STANDING_POINTS_PER_CLIENT',
    retryAfterSeconds: 0,
    status: 429,
  },
  standing_points: { place: 'in all', setting: 'MAX_STANDING_POINTS', retryAfterSeconds: 5, status: 503 },
}

/** Refuses a subscription for which there is no room beside those that are open. */
export function standingRefusal({ bound, needed, open, most }: Exceeded): GraphQLError {
  const { place, setting, retryAfterSeconds, status } = answers[bound]
  const message =
    `The subscription would hold ${needed} standing points. Subscriptions hold ${open} ${place}, ` +
    `and may hold ${most} (${setting})`
  const headers = { 'retry-after': String(retryAfterSeconds) }
  const http = { status, ...(retryAfterSeconds > 0 && { headers }) }
  return refusal(message, { code: 'LIMIT_EXCEEDED', retryAfterSeconds, standingPoints: needed, open, most, http })
}
