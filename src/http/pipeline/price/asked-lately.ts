import { LRUCache } from 'lru-cache'

/** Further ones take the place of those that were asked for longest ago. */
const maxSeries = 10_000
/** Characters of all names of each kind, as clients choose some of them. A name takes this much beside its own. */
const maxNames = 4 * 1024 * 1024
const perName = 100
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
  /** Of the values that are kept. */
  bytes: number
  /** Of the names of both, in characters. */
  named: number
}

/**
 * What operations have asked for lately, and so is likely to be in memory. Prices go by this rather than by the memory
 * itself, which only execution finds its way into.
 */
export class AskedLately {
  readonly #now: () => number
  readonly #loaded = new LRUCache<string, true>({
    max: maxSeries,
    maxSize: maxNames,
    sizeCalculation: (_true, name) => sizeOf(name),
  })
  readonly #computed = new LRUCache<string, Computed>({
    max: maxSeries,
    maxSize: maxNames,
    sizeCalculation: ({ named }, series) => sizeOf(series) + named,
  })

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
    const of = this.#computed.get(series) ?? { kept: new Map(), askedOnce: new Set(), bytes: 0, named: 0 }
    const nowMs = this.#now()
    const known = of.kept.get(name)
    if (known && nowMs - known.sinceMs < keptMs) return true
    if (known) this.#forget(of, name, known.bytes)
    if (known || this.#forgetOnce(of, name)) this.#keep(of, name, bytes, nowMs)
    else {
      const [oldest] = of.askedOnce
      if (oldest !== undefined && of.askedOnce.size === mostAskedOnce) this.#forgetOnce(of, oldest)
      of.askedOnce.add(name)
      of.named += sizeOf(name)
    }
    // A series that is set again is not measured again.
    this.#computed.delete(series)
    this.#computed.set(series, of)
    return false
  }

  #forgetOnce(of: Computed, name: string): boolean {
    if (!of.askedOnce.delete(name)) return false
    of.named -= sizeOf(name)
    return true
  }

  #forget(of: Computed, name: string, bytes: number): void {
    of.kept.delete(name)
    of.named -= sizeOf(name)
    of.bytes -= bytes
  }

  #keep(of: Computed, name: string, bytes: number, sinceMs: number): void {
    if (bytes > maxSeriesBytes) return
    for (const [oldest, entry] of of.kept) {
      if (of.bytes + bytes <= maxSeriesBytes) break
      this.#forget(of, oldest, entry.bytes)
    }
    of.kept.set(name, { sinceMs, bytes })
    of.named += sizeOf(name)
    of.bytes += bytes
  }
}

const sizeOf = (name: string): number => perName + name.length
