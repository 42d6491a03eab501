import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { Registry } from 'prom-client'
import type { IndicatorArgs } from '../../../src/analysis/indicators/points.ts'
import type { CandleRequest, CandleSeries } from '../../../src/domain/candle.ts'
import { candleColumns } from '../../../src/domain/candle-list.ts'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { SourceInterval } from '../../../src/domain/time/interval.ts'
import type { TimeSpan } from '../../../src/domain/time/units.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import { Quarantine } from '../../../src/market/quarantine.ts'
import { createPool, type DatabasePool } from '../../../src/platform/database/pool.ts'
import { type Context, createContext, type Ports } from '../../../src/resolvers/context.ts'
import { column } from '../../../src/resolvers/market/candle.ts'
import { columnOf, columnsOf, pointsOf } from '../../../src/resolvers/market/indicator.ts'
import { stringify } from '../../../src/resolvers/written-list.ts'
import { CandleStore, type CandleStoreOptions } from '../../../src/store/candles/candle-store.ts'
import type { Series } from '../../../src/store/candles/series.ts'
import { silentLog } from '../log.ts'
import { madeSource, type World } from './made-market.ts'

/** Where a process stops until it is released: before a statement is sent, or when its answer has come. */
export interface Gate {
  readonly statement: string
  readonly side: 'before' | 'after'
}

export type Operation =
  /** A chart, as a client gets it. */
  | { readonly kind: 'ask'; readonly request: CandleRequest }
  /** What is stored, without a question to the source. */
  | { readonly kind: 'peek'; readonly series: Series; readonly span: TimeSpan }
  | { readonly kind: 'backfill'; readonly symbol: string; readonly interval: SourceInterval; readonly span: TimeSpan }
  /** What the source has in its world, as an answer to a question of `startedAt`, in epoch seconds. */
  | {
      readonly kind: 'write'
      readonly series: Series
      readonly span: TimeSpan
      readonly startedAt: number
      readonly revises: boolean
    }
  | { readonly kind: 'forget'; readonly series: Series }
  /** Epoch seconds. */
  | { readonly kind: 'prune'; readonly before: number }

/** What came of an operation. `calls`: how often the source was asked. */
export interface Outcome {
  readonly text: string
  readonly calls: number
  /** The answer is not all that the source has, because it could not be asked. */
  readonly isStale: boolean
}

/** The candles of a process, with a source that is told what it has. */
export class CandleHouse {
  readonly #source = madeSource(() => this.#world)
  readonly #store: CandleStore
  readonly #service: CandleService
  readonly #bare: CandleHouse | null
  readonly #remembers: boolean
  #world: World = { now: 0, firstDay: 0, earlyDay: null, currency: 'USD', splits: [], dividends: [], faults: [] }

  /** `barePool`: a second service reads all through it, and writes as the first does. `writer`: what writes instead. */
  constructor(
    pool: DatabasePool,
    options: CandleStoreOptions,
    { barePool, writer }: { barePool?: DatabasePool; writer?: CandleStore } = {},
  ) {
    this.#remembers = options.memoryBytes !== 0
    const store = new CandleStore(pool, options)
    this.#store = writer ? readingBare(store, writer) : store
    this.#service = new CandleService({
      source: this.#source,
      store: this.#store,
      now: () => this.#world.now * 1000,
      quarantine: new Quarantine({ log: silentLog, registry: new Registry() }),
    })
    this.#bare = barePool ? new CandleHouse(barePool, { memoryBytes: 0 }, { writer: this.#store }) : null
  }

  /** `bare`: by the service that remembers nothing. */
  async do(operation: Operation, world: World, bare = false): Promise<Outcome> {
    if (bare && this.#bare) return this.#bare.do(operation, world)
    this.#world = world
    const before = this.#source.calls
    const { text, isStale = false } = await this.#done(operation).catch((error: unknown) => {
      // No answer may be one, but nothing else may fail.
      if (!(error instanceof FinstageError)) throw error
      return { text: `${error.code}: ${error.message}`, isStale: error.code === 'SOURCE_UNAVAILABLE' }
    })
    return { text, isStale, calls: this.#source.calls - before }
  }

  async #done(operation: Operation): Promise<{ text: string; isStale?: boolean }> {
    switch (operation.kind) {
      case 'ask': {
        const [answer] = await this.#service.candles([operation.request])
        if (answer === undefined || answer instanceof Error) throw answer
        return { text: await shown(answer, this.#remembers), isStale: answer.stale }
      }
      case 'peek': {
        const { series, span } = operation
        const state = await this.#store.state(series, span)
        if (!state) return { text: 'nothing' }
        const { list, excluded } = await this.#store.read(state, span)
        return { text: JSON.stringify({ candles: list.candles, excluded, state }) }
      }
      case 'backfill': {
        const { symbol, interval, span } = operation
        return { text: JSON.stringify(await this.#service.backfill(symbol, interval, span.from, span.to)) }
      }
      case 'write': {
        const { series, span, startedAt, revises } = operation
        const batch = await this.#source.candles({ ...series, ...span })
        const isCurrent = span.to > this.#world.now
        await this.#store.write(series, span, { ...batch, startedMs: startedAt * 1000, isCurrent, revises })
        return { text: '' }
      }
      case 'forget':
        await this.#store.forget(operation.series)
        return { text: '' }
      case 'prune':
        await this.#store.prune(operation.before)
        return { text: '' }
    }
  }
}

/** Reads through one store, and writes through another, which thus knows of it. */
function readingBare(bare: CandleStore, writer: CandleStore): CandleStore {
  return Object.assign(Object.create(CandleStore.prototype), {
    state: bare.state.bind(bare),
    read: bare.read.bind(bare),
    extent: bare.extent.bind(bare),
    actions: bare.actions.bind(bare),
    write: writer.write.bind(writer),
    forget: writer.forget.bind(writer),
  })
}

const indicators = {
  sma: { period: 5, source: 'CLOSE' },
  rsi: { period: 3, source: 'CLOSE' },
  macd: { fast: 3, slow: 8, signal: 4 },
  bollingerBands: { period: 20, stdDev: 2 },
  vwap: { anchor: 'WEEK', source: 'HLC3' },
} as const

/**
 * All that clients can get of a series, as JSON. `asKept`: as compiled operations put it together from what is
 * remembered; else from one object for each candle.
 */
async function shown(series: CandleSeries, asKept: boolean): Promise<string> {
  const read: CandleSeries = asKept ? series : { ...series }
  const context: Context = createContext({} as Ports)
  context.takesWrittenLists = asKept
  const answer: Record<string, unknown> = {}
  // As the executor completes lists.
  const list = (values: Iterable<unknown>): unknown[] => [...values]
  for (const name of candleColumns) answer[name] = list(await column(name)(read, {}, context))
  for (const [name, args] of Object.entries(indicators) as [keyof typeof indicators, IndicatorArgs][]) {
    if (name === 'macd' || name === 'bollingerBands') {
      const { parts } = await columnsOf(name)(read, args, context)
      for (const [part, values] of Object.entries(parts)) answer[`${name} ${part}`] = list(values)
    } else answer[name] = list(await columnOf(name)(read, args, context))
    answer[`${name} points`] = await pointsOf(name)(read, args, context)
  }
  const { earlier, ...others } = { ...read }
  return stringify({ ...answer, ...others, earlier: earlier.length })
}

interface Held extends Gate {
  readonly reached: () => void
  readonly released: Promise<void>
}

const gates = new WeakMap<DatabasePool, Held>()

/** Whoever comes to the gate next waits for `release`; `reached` resolves when somebody does, or need not any more. */
export function holdAt(pool: DatabasePool, gate: Gate): { reached: Promise<void>; release: () => void } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  gates.set(pool, { ...gate, reached: reached.resolve, released: released.promise })
  const release = (): void => {
    gates.delete(pool)
    reached.resolve()
    released.resolve()
  }
  return { reached: reached.promise, release }
}

/** A pool whose statements can be held up by `holdAt`. */
export function gatedPool(url: string): DatabasePool {
  const pool = createPool(url, silentLog, { max: 6 })
  const pass = async (side: Gate['side'], statement: unknown): Promise<void> => {
    const gate = gates.get(pool)
    if (gate?.side !== side) return
    const name = typeof statement === 'string' ? statement : (statement as { name?: string }).name
    if (name !== gate.statement) return
    gates.delete(pool)
    gate.reached()
    await gate.released
  }
  const gated =
    (query: (...given: unknown[]) => Promise<unknown>) =>
    async (...given: unknown[]): Promise<unknown> => {
      await pass('before', given[0])
      const result = await query(...given)
      await pass('after', given[0])
      return result
    }
  pool.query = gated(pool.query.bind(pool) as never) as typeof pool.query
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
    const held = gated(query)
    client.query = ((...given: unknown[]) => {
      const [statement] = given
      const isPlain = typeof given.at(-1) !== 'function' && typeof (statement as pg.Submittable).submit !== 'function'
      return isPlain ? held(...given) : query(...given)
    }) as typeof client.query
  })
  return pool
}

type Message =
  | { readonly id: number; readonly operation: Operation; readonly world: World; readonly bare: boolean }
  | { readonly id: number; readonly gate: Gate }
  | { readonly release: true }

interface Answer {
  readonly id: number
  /** Absent: the gate was reached. */
  readonly outcome?: Outcome
  readonly error?: string
}

/** A `CandleHouse` in a process of its own. */
export class CandleProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #exited: Promise<never>
  #ids = 0

  constructor(url: string, options: CandleStoreOptions) {
    this.#child = fork(fileURLToPath(import.meta.url), [url, JSON.stringify(options)])
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
    this.#exited = new Promise((_, reject) => {
      this.#child.once('exit', () => reject(new Error('the process has ended')))
    })
    this.#exited.catch(() => {})
  }

  async do(operation: Operation, world: World, bare = false): Promise<Outcome> {
    const { outcome, error } = await this.#send((id) => ({ id, operation, world, bare }))
    if (!outcome) throw new Error(error)
    return outcome
  }

  holdAt(gate: Gate): { reached: Promise<unknown>; release: () => void } {
    return { reached: this.#send((id) => ({ id, gate })), release: () => this.#child.send({ release: true }) }
  }

  /** Ends it at once, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited.catch(() => {})
  }

  #send(message: (id: number) => Message): Promise<Answer> {
    const id = ++this.#ids
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.#child.send(message(id))
    return Promise.race([answer, this.#exited])
  }
}

function serve(url: string, options: CandleStoreOptions): void {
  const pool = gatedPool(url)
  const house = new CandleHouse(pool, options, options.isOnlyWriter ? { barePool: gatedPool(url) } : {})
  let release = (): void => {}
  process.on('message', async (message: Message) => {
    if ('release' in message) return release()
    if ('gate' in message) {
      const hold = holdAt(pool, message.gate)
      release = hold.release
      await hold.reached
      process.send?.({ id: message.id } satisfies Answer)
      return
    }
    const { id, operation, world, bare } = message
    const answer = await house.do(operation, world, bare).then(
      (outcome): Answer => ({ id, outcome }),
      (error: Error): Answer => ({ id, error: `${error.stack}` }),
    )
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit())
}

const [, script, url, options] = process.argv
if (script === fileURLToPath(import.meta.url) && url && options) serve(url, JSON.parse(options))
