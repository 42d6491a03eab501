import { threadId } from 'node:worker_threads'
import { FinstageError } from '../../src/domain/errors.ts'

/** Work that tests have threads do. These counters, which are shared and not copied, let a test see it begin and let it end. */
export interface Shared {
  /** How many have begun. */
  readonly begun: Int32Array
  /** 1: what holds may end. */
  readonly gate: Int32Array
}

export const add = ({ a, b }: { a: number; b: number }): number => a + b

export const currentThread = (): number => threadId

export function spin({ begun }: Shared): never {
  begin(begun)
  for (;;);
}

/** Takes its thread until the gate is opened. Gives its place in the order in which all began. */
export function hold({ begun, gate }: Shared): number {
  const place = begin(begun)
  Atomics.wait(gate, 0, 0)
  return place
}

export const count = ({ begun }: Shared): number => begin(begun)

export function fail(): never {
  throw new RangeError('out of range', { cause: () => 'a function cannot be sent' })
}

export function failWithText(): never {
  throw 'only a text'
}

export function refuse(): never {
  throw new FinstageError('SOURCE_RATE_LIMITED', 'Too much', { symbol: 'A', retryAfterSeconds: 7 })
}

export function endThread(): never {
  process.exit(3)
}

/** Something that cannot be sent back. */
export const giveFunction = (): (() => number) => currentThread

function begin(begun: Int32Array): number {
  const place = Atomics.add(begun, 0, 1)
  Atomics.notify(begun, 0)
  return place
}
