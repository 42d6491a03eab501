import type { FinstageError } from './errors.ts'
import type { Listing } from './quote.ts'

/** Where a source puts what it sees live. */
export interface ListingSink {
  /**
   * A new observation of a watched symbol; the first comes at once after it was watched. Returns false where it is not believed
   * yet: a feed that makes the same observation anew tells it again.
   */
  update(listing: Listing): unknown
  /** A watched symbol could not be served. The feed goes on trying where the error is temporary, and gives up where not. */
  failure(symbol: string, error: FinstageError): void
}

export interface SourceFeed {
  /** Replaces the set of symbols that are watched; what is not in it is asked for no longer. */
  watch(symbols: ReadonlySet<string>): void
  /** No call of the sink comes after this has resolved. May be called twice. */
  stop(): Promise<void>
}
