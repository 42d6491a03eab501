import type { Bus, Topic, Topics } from './bus.ts'

type Listener = (message: never) => void

/** The bus of a single process, and the local half of a bus across processes. */
export class LocalBus implements Bus {
  readonly connected = true
  readonly #listeners = new Map<Topic, Set<Listener>>()

  publish<T extends Topic>(topic: T, message: Topics[T]): void {
    for (const listener of this.#listeners.get(topic) ?? []) (listener as (message: Topics[T]) => void)(message)
  }

  subscribe<T extends Topic>(topic: T, listener: (message: Topics[T]) => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => {
      listeners.delete(listener)
    }
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}
}
