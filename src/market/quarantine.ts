import { LRUCache } from 'lru-cache'
import { Counter, type Registry } from 'prom-client'
import type { Logger } from '../platform/logger.ts'

const kindsOfNonsense = [
  'no price',
  'high below low',
  'outside its range',
  'negative price',
  'time backwards',
  'currency changed',
  'price jump',
  'another unit',
  'split not applied',
  'split in doubt',
  'adjusted close',
] as const

/** Why a value from a source cannot be true. */
export type Nonsense = (typeof kindsOfNonsense)[number]

/** For how many symbols it is remembered what was logged. */
const remembered = 10_000

/** Counts bad data, and logs it once for each symbol and reason. */
export class Quarantine {
  readonly #log: Pick<Logger, 'warn'>
  readonly #counter: Counter<'reason'>
  readonly #logged = new LRUCache<string, true>({ max: remembered })

  constructor({ log, registry }: { log: Pick<Logger, 'warn'>; registry: Registry }) {
    this.#log = log
    this.#counter = new Counter({
      name: 'finstage_quarantined_total',
      help: 'Prices and candles that a source sent and that could not be true',
      labelNames: ['reason'],
      registers: [registry],
    })
    for (const reason of kindsOfNonsense) this.#counter.inc({ reason }, 0)
  }

  report(symbol: string, reason: Nonsense, said: unknown): void {
    this.#counter.inc({ reason })
    const key = `${symbol} ${reason}`
    if (this.#logged.has(key)) return
    this.#logged.set(key, true)
    this.#log.warn({ symbol, reason, said }, 'the source sent what cannot be true; further ones are counted only')
  }
}
