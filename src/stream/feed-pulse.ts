import type { Registry } from 'prom-client'
import { gaugeOf } from '../platform/metrics.ts'
import type { Bus } from './bus.ts'

/**
 * After this many looks without a sign of life, five seconds, the leader counts as silent. Counted in looks rather than
 * seconds: while this process stands still, it does not look.
 */
const lookMs = 500
const looksUntilSilent = 11

export interface PulseListener {
  /** Nothing was heard of the leader for five seconds. */
  readonly silent: () => void
  /** The leader, or its successor, is heard again. */
  readonly heard: () => void
}

/**
 * Tells whether the leading feed is alive, as far as this process hears it over the bus: the feed publishes after each
 * confirmation of its term.
 *
 * States: stopped -> start() -> listening -> stop() -> stopped.
 */
export class FeedPulse {
  readonly #bus: Bus
  readonly #listeners = new Set<PulseListener>()
  #run = ''
  #heardMs = performance.now()
  #looks = 0
  #isSilent = false
  #stops: (() => void)[] = []

  constructor({ bus, registry }: { bus: Bus; registry: Registry }) {
    this.#bus = bus
    gaugeOf(
      registry,
      'finstage_feed_term',
      'Number of the newest term of the leading feed that this process has heard of: it grows when another leads; 0: of none',
      () => Number(this.#run),
    )
    gaugeOf(
      registry,
      'finstage_feed_heartbeat_age_seconds',
      'How long ago the leading feed gave a sign of life to this process',
      () => (performance.now() - this.#heardMs) / 1000,
    )
  }

  /** The newest run heard of. Messages of an earlier run come from a deposed leader. */
  get run(): string {
    return this.#run
  }

  get isSilent(): boolean {
    return this.#isSilent
  }

  /** Returns a function that ends the subscription. */
  follow(listener: PulseListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  start(): void {
    if (this.#stops.length > 0) return
    const timer = setInterval(() => this.#look(), lookMs)
    this.#stops = [
      this.#bus.subscribe('feedStarted', ({ run }) => this.hear(run)),
      this.#bus.subscribe('feedConfirmed', ({ run }) => this.hear(run)),
      () => clearInterval(timer),
    ]
  }

  stop(): void {
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  /** Takes a sign of life of a run's leader. */
  hear(run: string): void {
    if (run < this.#run) return
    this.#run = run
    this.#heardMs = performance.now()
    this.#looks = 0
    if (!this.#isSilent) return
    this.#isSilent = false
    for (const { heard } of [...this.#listeners]) heard()
  }

  #look(): void {
    this.#looks += 1
    if (this.#isSilent || this.#looks < looksUntilSilent) return
    this.#isSilent = true
    for (const { silent } of [...this.#listeners]) silent()
  }
}
