import type { FinstageError } from './errors.ts'
import type { Listing } from './quote.ts'

/** Receives what a source sees live. */
export interface ListingSink {
  /**
   * A new observation of a watched symbol; the first one arrives soon after the symbol is watched. Returns false if the
   * listing is not believed yet: the feed sends the same observation again when it makes it again.
   */
  update(listing: Listing): unknown
  /** A watched symbol could not be served. The feed keeps trying if the error is temporary, and gives up otherwise. */
  failure(symbol: string, error: FinstageError): void
}

export interface SourceFeed {
  /** Replaces the set of watched symbols; symbols that are not in it are no longer asked for. */
  watch(symbols: ReadonlySet<string>): void
  /** The sink is not called any more once this has resolved. May be called twice. */
  stop(): Promise<void>
}
