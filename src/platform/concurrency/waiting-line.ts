/** A queue of callers that wait for their turn: first come, first served. An abort leaves the queue. */
export class WaitingLine {
  readonly #turns = new Set<PromiseWithResolvers<void>>()

  get length(): number {
    return this.#turns.size
  }

  /**
   * Resolves when `next` reaches this caller. An abort removes the caller from the queue, calls `onLeave`
   * synchronously, and rejects with the signal's reason. It has no effect once the turn has come.
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

  /** Gives the turn to the caller that has waited longest. false: nobody waits. */
  next(): boolean {
    const [turn] = this.#turns
    if (!turn) return false
    this.#turns.delete(turn)
    turn.resolve()
    return true
  }
}
