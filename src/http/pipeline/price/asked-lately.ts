import { LRUCache } from 'lru-cache'

/** Further ones take the place of those that were asked for longest ago. */
const maxSeries = 10_000
/** A value is computed anew when the newest candle has moved, which sources tell after 5 to 15 s. */
const keptMs = 10_000
/** As the memory of candles has it: what it keeps of a series, and how many names that were asked for once. */
const maxSeriesBytes = 1024 * 1024
const mostAskedOnce = 32

/** What was computed of one series, as its memory keeps it: from the second time on. */
interface Computed {
  /** When it was kept, in epoch milliseconds, and its bytes, by name. */
  readonly kept: Map<string, { readonly sinceMs: number; readonly bytes: number }>
  readonly askedOnce: Set<string>
  bytes: number
}

/**
 * What operations have asked for lately, and so is likely to be in memory. Prices go by this rather than by the memory
 * itself, which only execution finds its way into.
 */
export class AskedLately {
  readonly #now: () => number
  readonly #loaded = new LRUCache<string, true>({ max: maxSeries })
  readonly #computed = new LRUCache<string, Computed>({ max: maxSeries })

  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether this much of a series was loaded before. From now on, it was. */
  hasLoaded(name: string): boolean {
    if (this.#loaded.get(name)) return true
    this.#loaded.set(name, true)
    return false
  }

  /** Whether a value that is computed of a series, and takes so many bytes, is kept. From now on, it was asked for. */
  hasComputed(series: string, name: string, bytes: number): boolean {
    const of = this.#computed.get(series) ?? { kept: new Map(), askedOnce: new Set(), bytes: 0 }
    this.#computed.set(series, of)
    const nowMs = this.#now()
    const known = of.kept.get(name)
    if (known && nowMs - known.sinceMs < keptMs) return true
    if (known || of.askedOnce.delete(name)) this.#keep(of, name, bytes, nowMs)
    else {
      const [oldest] = of.askedOnce
      if (oldest !== undefined && of.askedOnce.size === mostAskedOnce) of.askedOnce.delete(oldest)
      of.askedOnce.add(name)
    }
    return false
  }

  #keep(of: Computed, name: string, bytes: number, sinceMs: number): void {
    of.bytes -= of.kept.get(name)?.bytes ?? 0
    of.kept.delete(name)
    if (bytes > maxSeriesBytes) return
    for (const [oldest, entry] of of.kept) {
      if (of.bytes + bytes <= maxSeriesBytes) break
      of.kept.delete(oldest)
      of.bytes -= entry.bytes
    }
    of.kept.set(name, { sinceMs, bytes })
    of.bytes += bytes
  }
}
