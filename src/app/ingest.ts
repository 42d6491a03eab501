import type { ListingSink, SourceFeed } from '../domain/source-feed.ts'
import { QuoteGuard } from '../market/quotes/guard.ts'
import { guardedFeed } from '../market/quotes/guarded-feed.ts'
import { Leader } from '../stream/leader.ts'
import { PriceFeed } from '../stream/price-feed.ts'
import type { SharedServices } from './shared-services.ts'

/** Starts the live feed, which runs while this process leads it. */
export function startIngest(shared: SharedServices): void {
  const { config, log, stops, connectionString, bus, source, quarantine, registry, health, now } = shared
  const open = (sink: ListingSink): SourceFeed => source.openLive(sink)
  const feed = new PriceFeed({
    bus,
    registry,
    log,
    openLive: (sink) => guardedFeed({ open, sink, guard: new QuoteGuard(quarantine) }),
  })
  const leader = new Leader({
    connectionString,
    name: 'feed',
    log,
    lead: (term) => feed.lead(term),
    confirmed: () => feed.confirmed(),
    yield: () => feed.yield(),
    // The embedded Postgres serves one process, so nobody else can lead.
    isAlone: config.DATABASE_URL === undefined,
    now,
  })
  stops.push(() => leader.stop())
  leader.start()
  health.add('feed', () => leader.check())
}
