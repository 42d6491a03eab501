import type { ErrorCode, ErrorDetails } from '../domain/errors.ts'
import type { JobChange } from '../domain/job.ts'
import type { FeedUpdate } from '../domain/price-update.ts'

/** What travels between processes, by topic. */
export interface Topics {
  /** The feed numbered a new price. */
  price: FeedUpdate
  /** The feed can't serve a symbol that somebody watches. */
  priceFailure: PriceFailure
  /** A node says what its clients watch. */
  watch: WatchAnnouncement
  /** A feed has begun to lead and knows of no watchers yet. */
  feedStarted: { readonly run: string }
  /** The leading feed's sign of life: the database has just confirmed its term. */
  feedConfirmed: { readonly run: string }
  job: JobChange
  /** A worker has died, and what it had to tell of jobs may have been lost with it. */
  jobsMissed: Record<string, never>
  /** Told by a bus to its own process alone: it hears the others again, and what they said meanwhile was lost. */
  reconnected: Record<string, never>
}

export type Topic = keyof Topics

export interface PriceFailure {
  readonly symbol: string
  /** That of the feed which fails. */
  readonly run: string
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
}

export interface WatchAnnouncement {
  readonly node: string
  /** added: just now, and the node waits for their prices. held: still. dropped: no longer. */
  readonly event: 'added' | 'held' | 'dropped'
  readonly symbols: readonly string[]
}

/**
 * Carries messages to every process, the publisher's own listeners included. Messages of a publisher arrive in order. When a
 * connection is lost, those sent meanwhile are lost too; of prices that wait, or could not be sent, the newest of each symbol is kept.
 */
export interface Bus {
  publish<T extends Topic>(topic: T, message: Topics[T]): void
  /** Returns what ends the subscription. */
  subscribe<T extends Topic>(topic: T, listener: (message: Topics[T]) => void): () => void
  start(): Promise<void>
  stop(): Promise<void>
  /** Whether messages of other processes arrive at present. */
  readonly connected: boolean
}
