import type { Quote } from '../../domain/quote.ts'

/** Derives what was traded between quotes from the day's volume that each quote has. */
export class DayVolume {
  #last: { readonly volume: number | null; readonly timeMs: number } | undefined

  /**
   * What was traded since the previous quote; null: unknown, as after a quote without a volume, whose part nobody can
   * tell from that of the next. Never negative.
   */
  since({ volume, timeMs }: Quote): number | null {
    const last = this.#last
    // A late quote was already counted with the newer one before it.
    if (last && timeMs < last.timeMs) return null
    this.#last = { volume, timeMs }
    if (volume === null || !last || last.volume === null) return null
    if (volume >= last.volume) return volume - last.volume
    // A large fall is the start of a new day; a small one is a correction, or the sliding volume of the last 24 hours.
    return volume < last.volume / 2 ? volume : 0
  }
}
