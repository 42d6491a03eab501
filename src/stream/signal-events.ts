import type { SignalKind, StoredSignal } from '../domain/analysis/signal.ts'
import { type FinstageError, readerTooSlow } from '../domain/errors.ts'
import type { Logger } from '../platform/logger.ts'
import { RetryPauses } from '../platform/retry.ts'
import type { SignalFilter, SignalStore } from '../store/analyses/signal-store.ts'
import type { Bus } from './bus.ts'
import { Channel } from './channel.ts'

/** How many signals wait for a reader before its stream is ended. */
const maxWaiting = 10_000
const signalsPerRead = 1000
const retryPace = { firstMs: 500, longestMs: 1000 }

/** Where new signals are read. */
export type SignalSource = Pick<SignalStore, 'newestPosition' | 'after'>

interface Follower {
  readonly symbols: ReadonlySet<string> | null
  readonly kinds: ReadonlySet<SignalKind> | null
  readonly channel: Channel<StoredSignal | FinstageError>
  /** All that was stored up to here has been told, or was there before. */
  position: number
}

/**
 * Newly stored signals for all followers in this process: each once, in the order of storing, none left out. The bus says only
 * that there may be some; they are read from the store, by position. So it does not matter who stored them, and whether that was
 * told.
 *
 * Its states: stopped -> start() -> started -> stop() -> stopped.
 */
export class SignalEvents {
  readonly #store: SignalSource
  readonly #bus: Bus
  readonly #log: Logger
  readonly #followers = new Set<Follower>()
  #stops: (() => void)[] = []
  /** Whether there may be signals that a read which is under way has not seen. */
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
   * Each signal that is stored from now on and fits, without end. A reader for whom over 10,000 wait gets those, then
   * LIMIT_EXCEEDED as the last: what came after them is in the store.
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
    // Stopped meanwhile: nobody else would end it.
    if (this.#stops.length === 0) void channel.return()
    // What was stored meanwhile may have been told of already.
    void this.#read()
    return channel
  }

  /** One read at a time, while anybody follows; what is asked for meanwhile is one more after it. */
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
    // A follower that has come meanwhile may have to begin before this.
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
