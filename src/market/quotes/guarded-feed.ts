import { noPrice } from '../../domain/errors.ts'
import type { ListingSink, SourceFeed } from '../../domain/source-feed.ts'
import type { QuoteGuard } from './guard.ts'

export interface GuardedFeedOptions {
  readonly open: (sink: ListingSink) => SourceFeed
  readonly sink: ListingSink
  /** Of this feed alone: it forgets what is watched no longer. */
  readonly guard: QuoteGuard
}

/** A live feed that tells only what can be true. Whoever waits for a first price that can't be hears that there is none. */
export function guardedFeed({ open, sink, guard }: GuardedFeedOptions): SourceFeed {
  const feed = open({
    update(listing) {
      const believed = guard.accept(listing)
      if (typeof believed !== 'string') return sink.update(believed)
      const { symbol } = listing.instrument
      if (!guard.knows(symbol)) sink.failure(symbol, noPrice(symbol))
      // A jump is believed when others have agreed with it, so it has to be told again.
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
