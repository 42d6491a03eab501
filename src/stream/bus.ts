import type { ErrorCode, ErrorDetails } from '../domain/errors.ts'
import type { JobChange } from '../domain/job.ts'
import type { FeedUpdate } from '../domain/price-update.ts'

/** The messages between processes, by topic. */
export interface Topics {
  /** The feed numbered a new price. */
  price: FeedUpdate
  /** The feed cannot serve a symbol that somebody watches. */
  priceFailure: PriceFailure
  /** A node announces what its clients watch. */
  watch: WatchAnnouncement
  /** A feed has begun to lead and does not know of any watchers yet. */
  feedStarted: { readonly run: string }
  /** The leading feed's sign of life: the database has just confirmed its term. */
  feedConfirmed: { readonly run: string }
  job: JobChange
  /** A worker has died, and messages about its jobs may have been lost with it. */
  jobsMissed: Record<string, never>
  /**
   * Published by a bus to its own process only: it hears the others again, and has lost what they published meanwhile.
   */
  reconnected: Record<string, never>
}

export type Topic = keyof Topics

export interface PriceFailure {
  readonly symbol: string
  /** The run of the feed that fails. */
  readonly run: string
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
}

export interface WatchAnnouncement {
  readonly node: string
  /** added: just now, and the node waits for their prices. held: still watched. dropped: no longer watched. */
  readonly event: 'added' | 'held' | 'dropped'
  readonly symbols: readonly string[]
}

/**
 * Carries messages to every process, including the publisher's own listeners. Messages of one publisher arrive in
 * order. While a connection is lost, so are messages; of the prices that wait or could not be sent, the newest of each
 * symbol is kept.
 */
export interface Bus {
  publish<T extends Topic>(topic: T, message: Topics[T]): void
  /** Returns a function that ends the subscription. */
  subscribe<T extends Topic>(topic: T, listener: (message: Topics[T]) => void): () => void
  start(): Promise<void>
  stop(): Promise<void>
  /** Whether messages of other processes arrive at present. */
  readonly connected: boolean
}
