import type { LiveFeed, LiveSink } from '../domain/live-feed.ts'
import { QuoteGuard } from '../market/quotes/guard.ts'
import { guardedFeed } from '../market/quotes/guarded-feed.ts'
import { Feed } from '../stream/feed.ts'
import { Leader } from '../stream/leader.ts'
import type { SharedServices } from './shared-services.ts'

/** The live feed, which runs where this process leads it. */
export function startIngest(shared: SharedServices): void {
  const { config, log, stops, connectionString, bus, source, quarantine, registry, health, now } = shared
  const open = (sink: LiveSink): LiveFeed => source.openLive(sink)
  const feed = new Feed({
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
