import type { Registry } from 'prom-client'
import { gaugeOf } from '../platform/metrics.ts'
import type { Bus } from './bus.ts'

/**
 * Without a word between so many looks in a row, five seconds, the leader is silent. Looks, not seconds: while this process stands
 * still, nobody looks.
 */
const lookMs = 500
const looksUntilSilent = 11

export interface PulseListener {
  /** Nothing was heard of the leader for five seconds. */
  readonly silent: () => void
  /** It, or its successor, is heard again. */
  readonly heard: () => void
}

/**
 * Whether the leader of the feed gives signs of life, as this process hears them over the bus: it does after each confirmation of
 * its term.
 *
 * Its states: stopped -> start() -> listening -> stop() -> stopped.
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

  /** The newest run that was heard of. What comes of an earlier one is from a leader that was deposed. */
  get run(): string {
    return this.#run
  }

  get isSilent(): boolean {
    return this.#isSilent
  }

  /** Returns what ends it. */
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

  /** A sign of life of the leader of a run. */
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
