import type { SignalKind, StoredSignal } from '../domain/analysis/signal.ts'
import { type FinstageError, readerTooSlow } from '../domain/errors.ts'
import type { Logger } from '../platform/logger.ts'
import { RetryPauses } from '../platform/retry.ts'
import type { SignalFilter, SignalStore } from '../store/analyses/signal-store.ts'
import type { Bus } from './bus.ts'
import { Channel } from './channel.ts'

/** How many signals may wait for a reader before its stream is ended. */
const maxWaiting = 10_000
const signalsPerRead = 1000
const retryPace = { firstMs: 500, longestMs: 1000 }

/** Where new signals are read. */
export type SignalSource = Pick<SignalStore, 'newestPosition' | 'after'>

interface Follower {
  readonly symbols: ReadonlySet<string> | null
  readonly kinds: ReadonlySet<SignalKind> | null
  readonly channel: Channel<StoredSignal | FinstageError>
  /** Everything stored up to here was sent, or was stored before the follower came. */
  position: number
}

/**
 * Sends newly stored signals to all followers in this process: each once, in the order of storing, none left out. The
 * bus only says that there may be new ones; they are read from the store, by position. So it does not matter who stored
 * them, or whether that was announced.
 *
 * States: stopped -> start() -> started -> stop() -> stopped.
 */
export class SignalEvents {
  readonly #store: SignalSource
  readonly #bus: Bus
  readonly #log: Logger
  readonly #followers = new Set<Follower>()
  #stops: (() => void)[] = []
  /** Whether there may be signals that the current read has not seen. */
  #isStale = false
  #isReading = false
  readonly #pauses = new RetryPauses(retryPace)

  constructor(options: { store: SignalSource; bus: Bus; log: Logger }) {
    this.#store = options.store
    this.#bus = options.bus
    this.#log = options.log
  }

  start(): void {
    if (this.#stops.length > 0) return
    this.#stops = [
      this.#bus.subscribe('job', ({ state }) => {
        if (state === 'SUCCEEDED') void this.#read()
      }),
      this.#bus.subscribe('jobsMissed', () => void this.#read()),
      this.#bus.subscribe('reconnected', () => void this.#read()),
    ]
  }

  /** Ends every stream. */
  stop(): void {
    for (const { channel } of [...this.#followers]) void channel.return()
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  /**
   * Sends each matching signal that is stored from now on, without end. A reader with more than 10,000 waiting signals
   * gets those, then LIMIT_EXCEEDED as the last; the signals after them are in the store.
   */
  async follow({ symbols, kinds }: SignalFilter): Promise<AsyncIterableIterator<StoredSignal | FinstageError>> {
    const position = await this.#store.newestPosition()
    const channel = new Channel<StoredSignal | FinstageError>({
      maxWaiting,
      compact: (waiting) => [...waiting],
      bound: { waiting: maxWaiting, last: () => readerTooSlow(maxWaiting, 'signals') },
      onEnd: () => this.#followers.delete(follower),
    })
    const follower = { symbols: symbols && new Set(symbols), kinds: kinds && new Set(kinds), channel, position }
    this.#followers.add(follower)
    // If stopped meanwhile, nobody else would end it.
    if (this.#stops.length === 0) void channel.return()
    // Signals stored meanwhile may already have been announced.
    void this.#read()
    return channel
  }

  /** Runs one read at a time while there are followers; requests in the meantime cause one more read. */
  async #read(): Promise<void> {
    this.#isStale = true
    if (this.#isReading) return
    this.#isReading = true
    while (this.#isStale && this.#followers.size > 0) {
      this.#isStale = false
      try {
        await this.#readOnce()
        this.#pauses.reset()
      } catch (error) {
        this.#log.warn({ err: error }, 'new signals could not be read yet')
        this.#isStale = true
        await this.#pauses.pause()
      }
    }
    this.#isReading = false
  }

  async #readOnce(): Promise<void> {
    let from = Number.POSITIVE_INFINITY
    for (const { position } of this.#followers) from = Math.min(from, position)
    const signals = await this.#store.after(from, signalsPerRead)
    if (signals.length === signalsPerRead) this.#isStale = true
    // A follower that came meanwhile may start before this position.
    for (const follower of this.#followers) if (follower.position >= from) tell(follower, signals)
  }
}

function tell(follower: Follower, signals: readonly StoredSignal[]): void {
  const { symbols, kinds, channel } = follower
  for (const signal of signals) {
    if (signal.position <= follower.position) continue
    follower.position = signal.position
    if ((symbols?.has(signal.symbol) ?? true) && (kinds?.has(signal.kind) ?? true)) channel.push(signal)
  }
}
