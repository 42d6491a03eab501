import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { OwnConnection } from '../platform/database/own-connection.ts'
import type { Logger } from '../platform/logger.ts'
import { RetryPauses } from '../platform/retry.ts'
import type { Bus, Topic, Topics } from './bus.ts'
import { LocalBus } from './local-bus.ts'

const channel = 'finstage'
/** Postgres refuses a payload of 8,000 bytes. */
const maxPayloadBytes = 7900
const maxEnvelopeBytes = maxPayloadBytes - 20
/** How soon a lost connection is opened again, and how soon failed messages are sent again. */
const retryPace = { firstMs: 250, longestMs: 500 }
/** How long Postgres may take to accept a NOTIFY. */
const notifyTimeoutMs = 5000
/**
 * If nothing is heard between two looks, a ping goes out that every listener hears; after five silent looks the
 * connection is given up. Counted in looks rather than seconds: while this process stands still, it does not look.
 */
const lookMs = 1000
const looksUntilPing = 2
const looksUntilDeaf = 5
/** A payload without messages. */
const ping = '[0]'
const priceSlot = 'price '

/** node, topic, message */
type Envelope = [string, Topic, Topics[Topic]]

/**
 * A bus over LISTEN/NOTIFY. Listeners in the publishing process are called at once, others when Postgres has delivered
 * the message. Messages published during a NOTIFY go out together in the next one, several to a payload.
 *
 * If a NOTIFY fails, the newest price of each symbol is sent again as soon as possible, because it may be the last for
 * long. If job messages were lost, the other processes are told that they have missed some. A network that swallows
 * traffic is noticed by silence within six seconds; a ping every two seconds breaks the silence when nobody publishes.
 *
 * States: stopped -> start() -> connected <-> reconnecting -> stop() -> stopped.
 */
export class PostgresBus implements Bus {
  readonly #local = new LocalBus()
  readonly #node = randomUUID()
  readonly #connectionString: string
  readonly #pool: pg.Pool
  readonly #log: Logger
  #listener: OwnConnection | undefined
  /** Looks since something was heard. */
  #looks = 0
  #watch: NodeJS.Timeout | undefined
  #started: Promise<unknown> | undefined
  #stopping = new AbortController()
  #waiting = new Map<string, string>()
  #waitingCount = 0
  /** Whether the waiting messages include any about jobs. */
  #tellsOfJobs = false
  #payloadCount = 0
  #sending: Promise<void> | undefined
  readonly #sendPauses = new RetryPauses(retryPace)

  constructor(options: { connectionString: string; pool: pg.Pool; log: Logger }) {
    this.#connectionString = options.connectionString
    this.#pool = options.pool
    this.#log = options.log
  }

  get connected(): boolean {
    return this.#listener !== undefined
  }

  publish<T extends Topic>(topic: T, message: Topics[T]): void {
    this.#local.publish(topic, message)
    const envelope = JSON.stringify([this.#node, topic, message] satisfies Envelope)
    if (Buffer.byteLength(envelope) > maxEnvelopeBytes) {
      this.#log.error({ topic, bytes: envelope.length }, 'a message is too large for the bus and stays in this process')
      return
    }
    if (topic === 'job' || topic === 'jobsMissed') this.#tellsOfJobs = true
    const slot = this.#slot(topic, message)
    // A replaced message moves to the end: nothing overtakes an earlier message.
    this.#waiting.delete(slot)
    this.#waiting.set(slot, envelope)
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  subscribe<T extends Topic>(topic: T, listener: (message: Topics[T]) => void): () => void {
    return this.#local.subscribe(topic, listener)
  }

  async start(): Promise<void> {
    this.#started ??= this.#listen()
    await this.#started
    // At a random pace, or all processes would ping when one ping is enough.
    this.#watch ??= setInterval(() => this.#look(), lookMs * (0.9 + 0.2 * Math.random()))
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearInterval(this.#watch)
    this.#watch = undefined
    await this.#started?.catch(() => {})
    await this.#sending
    this.#started = undefined
    this.#stopping = new AbortController()
    const listener = this.#listener
    this.#listener = undefined
    await listener?.close()
  }

  /**
   * The queue slot of a message: a price replaces an older one of its symbol, everything else gets a slot of its own.
   */
  #slot<T extends Topic>(topic: T, message: Topics[T]): string {
    if (topic === 'price') return `${priceSlot}${(message as Topics['price']).quote.symbol}`
    this.#waitingCount += 1
    return String(this.#waitingCount)
  }

  async #send(): Promise<void> {
    const { signal } = this.#stopping
    // Wait one turn of the event loop, so that messages published together are sent together.
    await new Promise(setImmediate)
    while (this.#waiting.size > 0) {
      const sent = this.#waiting
      const payloads = this.#packed([...sent.values()])
      const tellsOfJobs = this.#tellsOfJobs
      this.#waiting = new Map()
      this.#tellsOfJobs = false
      try {
        const notify = {
          name: 'notify',
          text: 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload',
          values: [channel, payloads],
          query_timeout: notifyTimeoutMs,
        }
        await this.#pool.query(notify)
        this.#sendPauses.reset()
      } catch (error) {
        this.#log.warn({ err: error }, 'messages to other processes could not go out')
        if (!this.#started || signal.aborted) continue
        await this.#sendPauses.pause(signal)
        const prices = [...sent].filter(([slot]) => slot.startsWith(priceSlot) && !this.#waiting.has(slot))
        this.#waiting = new Map([...prices, ...this.#waiting])
        if (!tellsOfJobs) continue
        this.#tellsOfJobs = true
        this.#waiting.set('jobsMissed', JSON.stringify([this.#node, 'jobsMissed', {}] satisfies Envelope))
      }
    }
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stopping
    const connection = new OwnConnection(this.#connectionString, 'finstage bus')
    const { client } = connection
    client.on('notification', ({ payload }) => {
      this.#looks = 0
      this.#receive(payload ?? '[]')
    })
    client.on('end', () => {
      if (this.#listener === connection) void this.#reconnect()
    })
    await connection.open()
    try {
      await client.query(`LISTEN ${channel}`)
    } catch (error) {
      connection.cut()
      throw error
    }
    this.#looks = 0
    // If stopped while connecting, nobody else would close it.
    if (signal.aborted) await connection.close()
    else this.#listener = connection
  }

  #look(): void {
    const listener = this.#listener
    if (!listener) return
    this.#looks += 1
    if (this.#looks === looksUntilPing) listener.client.query(`NOTIFY ${channel}, '${ping}'`).catch(() => {})
    if (this.#looks < looksUntilDeaf) return
    this.#log.warn('nothing is heard over the bus: its connection is given up')
    listener.cut()
  }

  async #reconnect(): Promise<void> {
    this.#listener = undefined
    this.#log.warn('the bus lost its connection')
    const { signal } = this.#stopping
    const pauses = new RetryPauses(retryPace)
    for (;;) {
      // Pause before the first attempt too: the other processes have lost their connections at the same moment.
      await pauses.pause(signal)
      if (signal.aborted) return
      try {
        await this.#listen()
        if (signal.aborted) return
        this.#log.info('the bus is connected again')
        this.#local.publish('reconnected', {})
        return
      } catch {
        // Tried again until it works or the bus is stopped.
      }
    }
  }

  #receive(payload: string): void {
    for (const [node, topic, message] of unpacked(payload)) {
      if (node !== this.#node) this.#local.publish(topic, message as never)
    }
  }

  /**
   * Packs envelopes into JSON arrays that fit a payload. Each array starts with a unique number, because Postgres
   * delivers equal payloads of one transaction only once.
   */
  #packed(envelopes: readonly string[]): string[] {
    const payloads: string[] = []
    let current: string[] = []
    let bytes = 0
    const close = (): void => {
      this.#payloadCount += 1
      if (current.length > 0) payloads.push(`[${[this.#payloadCount, ...current].join(',')}]`)
    }
    for (const envelope of envelopes) {
      const size = Buffer.byteLength(envelope) + 1
      if (bytes + size > maxEnvelopeBytes) {
        close()
        current = []
        bytes = 0
      }
      current.push(envelope)
      bytes += size
    }
    close()
    return payloads
  }
}

/** Returns nothing for foreign payloads: anybody who may use the database may write to the channel. */
function unpacked(payload: string): Envelope[] {
  try {
    const [, ...envelopes] = JSON.parse(payload) as [number, ...Envelope[]]
    return envelopes.filter((envelope) => Array.isArray(envelope) && envelope.length === 3)
  } catch {
    return []
  }
}
