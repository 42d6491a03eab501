/** A queue to wait in until it is one's turn: first come, first served, and an abort leaves it. */
export class WaitingLine {
  readonly #turns = new Set<PromiseWithResolvers<void>>()

  get length(): number {
    return this.#turns.size
  }

  /**
   * Resolves when `next` reaches this turn. An abort takes the turn out of the line, calls `onLeave` at once, and rejects with
   * the signal's reason; it has no effect on a turn that has come.
   */
  async wait(signal: AbortSignal | undefined, onLeave?: () => void): Promise<void> {
    signal?.throwIfAborted()
    const turn = Promise.withResolvers<void>()
    const leave = (): void => {
      if (!this.#turns.delete(turn)) return
      onLeave?.()
      turn.reject(signal?.reason)
    }
    this.#turns.add(turn)
    signal?.addEventListener('abort', leave, { once: true })
    await turn.promise.finally(() => signal?.removeEventListener('abort', leave))
  }

  /** Gives the turn to whoever has waited longest. false: nobody waits. */
  next(): boolean {
    const [turn] = this.#turns
    if (!turn) return false
    this.#turns.delete(turn)
    turn.resolve()
    return true
  }
}
