import type { PriceUpdate } from '../../domain/price-update.ts'

/** A price update, or several, as the payload of a message: the same bytes for every client that is shown it alike. */
export interface RenderedUpdate {
  /** The newest. */
  readonly update: PriceUpdate
  readonly payload: Buffer
  /** The payload as raw DEFLATE that ends with an empty block; undefined: compressed by itself, it hardly shrinks. */
  readonly deflated?: Buffer
}

/** One subscription of a client, as the source of messages to that client. */
export interface MessageProducer {
  /** The bytes of each message before its payload. */
  readonly prefix: Buffer
  /** The writer takes messages again. */
  resume(): void
}

/**
 * Writes the messages of all subscriptions of one client, under back-pressure: whoever implements it is a transport.
 */
export interface MessageWriter {
  /** Whether the client takes less than it is sent. Nothing may be sent then. */
  readonly needsDrain: boolean
  /** Calls the producer's resume() once, when the client has caught up. To be called while `needsDrain`. */
  resumeOnDrain(producer: MessageProducer): void
  /** Messages leave at once or soon after, in the order of the calls. */
  send(producer: MessageProducer, rendered: RenderedUpdate): void
  /** Writes all messages that wait, because something else follows them. */
  writeAll(): void
  /** Discards the messages of a producer that wait. */
  discard(producer: MessageProducer): void
}

/** Counts what writers write. */
export interface WriterMetrics {
  /** `newest`: the update of the last of these messages. */
  written(messages: number, bytes: number, newest: PriceUpdate): void
}
