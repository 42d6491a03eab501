import type { Caller } from './event-loop-turns.ts'

/** This part is kept for clients that hold nothing. */
const keptShare = 0.25

interface Waiting {
  readonly bytes: number
  readonly begin: () => void
}

interface Client {
  /** What its callers hold together. */
  bytes: number
  readonly waiting: Map<Caller, Waiting>
}

/**
 * Shares out a number of bytes among clients. Who comes when they are used up waits: the client that holds the least
 * goes first, and of those that hold the same, the one that has waited longest. A quarter is only for clients that hold
 * nothing, so that one client cannot keep out all others.
 */
export class ByteShares {
  readonly total: number
  /** Those that hold something or wait. */
  readonly #clients = new Map<string, Client>()
  readonly #held = new Map<Caller, number>()
  readonly #gone = new WeakSet<Caller>()
  #used = 0

  constructor(total: number) {
    this.total = total
  }

  /** Bytes that are held by all together. */
  get used(): number {
    return this.#used
  }

  /** How many callers wait. */
  get waiting(): number {
    let count = 0
    for (const { waiting } of this.#clients.values()) count += waiting.size
    return count
  }

  /**
   * undefined: the caller holds as many bytes now, or already holds some; else it does when the promise resolves. Each
   * caller has to `leave` in the end.
   */
  take(caller: Caller, bytes: number): Promise<void> | undefined {
    // Work goes on that nobody waits for any more.
    if (this.#held.has(caller) || this.#gone.has(caller)) return undefined
    const client = this.#clients.get(caller.client) ?? { bytes: 0, waiting: new Map() }
    this.#clients.set(caller.client, client)
    const before = client.waiting.get(caller)
    const begun = Promise.withResolvers<void>()
    const begin = (): void => {
      before?.begin()
      begun.resolve()
    }
    client.waiting.set(caller, { bytes, begin })
    this.#handOut()
    return this.#held.has(caller) ? undefined : begun.promise
  }

  /** What the caller holds is so many bytes now. Only for callers that hold some. */
  resize(caller: Caller, bytes: number): void {
    const held = this.#held.get(caller)
    if (held === undefined) return
    this.#held.set(caller, bytes)
    this.#add(caller.client, bytes - held)
    this.#handOut()
  }

  holds(caller: Caller): boolean {
    return this.#held.has(caller)
  }

  /** The caller holds nothing any more. Returns whether it has waited: its promise never settles then. */
  leave(caller: Caller): boolean {
    this.#gone.add(caller)
    // Which is nearly always so, and to name a client takes a while.
    if (this.#clients.size === 0) return false
    const client = this.#clients.get(caller.client)
    if (!client) return false
    const held = this.#held.get(caller) ?? 0
    this.#held.delete(caller)
    const hasWaited = client.waiting.delete(caller)
    this.#add(caller.client, -held)
    this.#handOut()
    return hasWaited
  }

  #add(name: string, bytes: number): void {
    const client = this.#clients.get(name)
    if (!client) return
    this.#used += bytes
    client.bytes += bytes
    if (client.bytes === 0 && client.waiting.size === 0) this.#clients.delete(name)
  }

  #handOut(): void {
    for (let name = this.#next(); name !== undefined; name = this.#next()) {
      const client = this.#clients.get(name) as Client
      const [first] = client.waiting
      const [caller, { bytes, begin }] = first as [Caller, Waiting]
      const free = this.total * (client.bytes > 0 ? 1 - keptShare : 1) - this.#used
      // Whoever wants more than there is gets it when nothing else is held.
      if (bytes > free && this.#used > 0) return
      client.waiting.delete(caller)
      // Behind the others that hold the same.
      this.#clients.delete(name)
      this.#clients.set(name, client)
      this.#held.set(caller, bytes)
      this.#add(name, bytes)
      begin()
    }
  }

  #next(): string | undefined {
    let next: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [name, { bytes, waiting }] of this.#clients) {
      if (waiting.size === 0 || bytes >= least) continue
      next = name
      least = bytes
    }
    return next
  }
}
