import type { Quote } from '../../domain/quote.ts'

/** What was traded between quotes, from the volume of the day that each of them tells. */
export class DayVolume {
  #last: { readonly volume: number; readonly timeMs: number } | undefined

  /** What was traded since the quote before; null: not known. Never negative. */
  since({ volume, timeMs }: Quote): number | null {
    const last = this.#last
    // One that comes late was counted with the newer one before it.
    if (volume === null || (last && timeMs < last.timeMs)) return null
    this.#last = { volume, timeMs }
    if (!last) return 0
    if (volume >= last.volume) return volume - last.volume
    // A day that begins anew falls far; a correction, or the sliding volume of the last 24 hours, falls little.
    return volume < last.volume / 2 ? volume : 0
  }
}
