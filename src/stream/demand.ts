import type { WatchAnnouncement } from './bus.ts'

/** How often nodes announce what they watch; after three missed announcements it is forgotten. */
export const announceIntervalMs = 5000
const forgetAfterMs = 3 * announceIntervalMs

/** The union of what all nodes watch, as a feed learns it from their announcements. */
export class Demand {
  /** symbol -> node -> when it was last announced, in epoch milliseconds */
  readonly #heard = new Map<string, Map<string, number>>()

  get symbols(): ReadonlySet<string> {
    return new Set(this.#heard.keys())
  }

  /** Returns whether the set of symbols has changed. */
  hear(announcement: WatchAnnouncement, nowMs: number): boolean {
    let changed = false
    for (const symbol of announcement.symbols) {
      const nodes = this.#heard.get(symbol)
      if (announcement.event === 'dropped') {
        nodes?.delete(announcement.node)
        if (nodes?.size === 0) changed = this.#heard.delete(symbol) || changed
      } else if (nodes) {
        nodes.set(announcement.node, nowMs)
      } else {
        this.#heard.set(symbol, new Map([[announcement.node, nowMs]]))
        changed = true
      }
    }
    return changed
  }

  /** Returns whether a symbol was forgotten. */
  forget(nowMs: number): boolean {
    let changed = false
    for (const [symbol, nodes] of this.#heard) {
      for (const [node, heardMs] of nodes) if (nowMs - heardMs > forgetAfterMs) nodes.delete(node)
      if (nodes.size === 0) changed = this.#heard.delete(symbol) || changed
    }
    return changed
  }
}
