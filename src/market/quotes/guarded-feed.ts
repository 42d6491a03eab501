import { noPrice } from '../../domain/errors.ts'
import type { ListingSink, SourceFeed } from '../../domain/source-feed.ts'
import type { QuoteGuard } from './guard.ts'

export interface GuardedFeedOptions {
  readonly open: (sink: ListingSink) => SourceFeed
  readonly sink: ListingSink
  /** Used by this feed only: it forgets symbols that are no longer watched. */
  readonly guard: QuoteGuard
}

/**
 * A live feed that passes on only believable prices. If the first price of a symbol is not believable, its watchers are
 * told that there is none.
 */
export function guardedFeed({ open, sink, guard }: GuardedFeedOptions): SourceFeed {
  const feed = open({
    update(listing) {
      const believed = guard.accept(listing)
      if (typeof believed !== 'string') return sink.update(believed)
      const { symbol } = listing.instrument
      if (!guard.knows(symbol)) sink.failure(symbol, noPrice(symbol))
      // A jump is believed once others have agreed with it, so the source has to send it again.
      return believed !== 'price jump'
    },
    failure: (symbol, error) => sink.failure(symbol, error),
  })
  return {
    watch(symbols) {
      guard.forgetAllBut(symbols)
      feed.watch(symbols)
    },
    stop: () => feed.stop(),
  }
}
