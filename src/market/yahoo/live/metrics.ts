import { Counter, type Registry } from 'prom-client'
import { counterOf, gaugeOf, type SharedGauge, seriesOfGauge } from '../../../platform/metrics.ts'
import { type DropReason, dropReasons } from './frame.ts'

const sockets: SharedGauge = {
  name: 'finstage_stream_sockets',
  help: "Sockets to Yahoo's push feed by their state: open, opening, or away, to be opened again later",
  label: 'state',
}

export type SocketState = 'open' | 'opening' | 'away'

/** What a push feed knows of itself. */
export interface StreamState {
  sockets(state: SocketState): number
  /** Frames a second that its symbols usually get at this time of their sessions. */
  usualFramesPerSecond(): number
}

/** Metrics of Yahoo's push feed: of the one that runs now, if any. */
export class StreamMetrics {
  readonly #dropped: Counter<'reason'>
  #frames = 0
  #feed: StreamState | null = null

  constructor(registry: Registry) {
    this.#dropped = new Counter({
      name: 'finstage_stream_dropped_total',
      help: "Messages of Yahoo's push feed that nobody was told of",
      labelNames: ['reason'],
      registers: [registry],
    })
    for (const reason of dropReasons) this.#dropped.inc({ reason }, 0)
    counterOf(
      registry,
      'finstage_stream_frames_total',
      "Prices that came by Yahoo's push feed of symbols that somebody watches",
      () => this.#frames,
    )
    gaugeOf(
      registry,
      'finstage_stream_usual_frames_per_second',
      'How many such prices a second usually come of the symbols whose session has lasted for a minute',
      () => this.#feed?.usualFramesPerSecond() ?? 0,
    )
    for (const state of ['open', 'opening', 'away'] as const) {
      seriesOfGauge(registry, sockets, state, () => this.#feed?.sockets(state) ?? 0)
    }
  }

  dropped(reason: DropReason): void {
    this.#dropped.inc({ reason })
  }

  frame(): void {
    this.#frames++
  }

  /** The feed that runs from now on. One that has stopped has neither sockets nor symbols. */
  runs(feed: StreamState): void {
    this.#feed = feed
  }
}
