import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { buildSchema, type GraphQLError, GraphQLObjectType, parse } from 'graphql'
import { Registry } from 'prom-client'
import { SocketWriter, WriteSchedule } from '../../../../src/http/connections/socket-writer.ts'
import { CompiledOperations } from '../../../../src/http/pipeline/compiled-operations.ts'
import { sharedOperation } from '../../../../src/http/sharing/operation.ts'
import { SharedSubscriptions } from '../../../../src/http/sharing/subscriptions.ts'
import { textFraming } from '../../../../src/http/websocket/frames.ts'
import { FeedPulse } from '../../../../src/stream/feed-pulse.ts'
import { PriceHub } from '../../../../src/stream/hub.ts'
import { LocalBus } from '../../../../src/stream/local-bus.ts'
import { feedUpdateOf } from '../../../support/candles/prices.ts'
import { FrameParser, textOf } from '../../../support/clients/frames.ts'

const schema = buildSchema(`
  type Query { unused: Int }
  type Subscription { priceUpdates: Update! }
  type Update { kind: String! run: String! seq: Int! quote: Quote! long: String! later: Int! }
  type Quote { symbol: String! }
`)
const updateType = schema.getType('Update')
assert.ok(updateType instanceof GraphQLObjectType)
const { long, later } = updateType.getFields()
assert.ok(long && later)
// A dozen of these are more than is gathered for a socket.
long.resolve = () => 'x'.repeat(8000)
later.resolve = ({ seq }: { seq: number }) => Promise.resolve(seq)
for (const field of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) field.resolve = (event) => event

const documents = ['', 'again: seq', 'same: kind', 'later', 'long'].map((field) =>
  parse(`subscription { priceUpdates { kind run seq quote { symbol } ${field} } }`),
)
const symbols = ['A', 'B', 'C']
const [waiting, longest] = [3, 4]
/** More than an update goes to before others may have their turn. */
const clientsAtFirst = 300
const newest = 'run-999'

interface Seen {
  readonly kind: string
  readonly run: string
  readonly seq: number
  readonly quote: { readonly symbol: string }
}

/** The server's end of a connection, whose client takes bytes as long as it is told to. As Node's in what it tells. */
class TestSocket extends EventEmitter {
  writableLength = 0
  readonly writableHighWaterMark = 16_384
  reads = true
  readonly #take: (bytes: Buffer) => void
  #needsDrain = false

  constructor(take: (bytes: Buffer) => void) {
    super()
    this.#take = take
  }

  write(bytes: Buffer): boolean {
    this.#take(bytes)
    this.writableLength += bytes.length
    const takesMore = this.writableLength < this.writableHighWaterMark
    if (!takesMore) this.#needsDrain = true
    if (this.reads) {
      this.writableLength = 0
      process.nextTick(() => this.#drain())
    }
    return takesMore
  }

  stall(): void {
    this.reads = false
  }

  readOn(): void {
    this.reads = true
    this.writableLength = 0
    this.#drain()
  }

  #drain(): void {
    if (!this.#needsDrain || this.writableLength > 0) return
    this.#needsDrain = false
    this.emit('drain')
  }
}

/** A hub, what executes its updates, and what writes them, on a clock that each look moves by `lookMs`. */
function open(t: TestContext, lookMs: number) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => {
    nowMs += lookMs
    return nowMs
  })
  const bus = new LocalBus()
  const registry = new Registry()
  const hub = new PriceHub({ bus, registry, pulse: new FeedPulse({ bus, registry }), now: () => nowMs })
  hub.start()
  let written = 0
  const schedule = new WriteSchedule({ written: (messages) => (written += messages) }, { report: () => {} })
  const shared = new SharedSubscriptions({
    compiled: new CompiledOperations(schema),
    mask: (error) => error as GraphQLError,
    executed: () => {},
  })
  let term = 1
  const seqs = new Map<string, number>()
  return {
    hub,
    schedule,
    shared,
    [Symbol.dispose]() {
      hub.stop()
      t.mock.restoreAll()
      t.mock.timers.reset()
    },
    written: () => written,
    price(symbol: string, run = `run-${String(term).padStart(3, '0')}`) {
      const seq = (seqs.get(symbol) ?? 0) + 1
      seqs.set(symbol, seq)
      bus.publish('price', feedUpdateOf(symbol, seq, { run }))
    },
    newRun() {
      term += 1
      seqs.clear()
    },
    pass(ms: number) {
      nowMs += ms
      t.mock.timers.tick(ms)
    },
  }
}

type Server = ReturnType<typeof open>

/** Checks all that it gets: numbers only grow, and begin anew with a SNAPSHOT. */
class Client {
  readonly symbols: readonly string[]
  readonly last = new Map<string, Seen>()
  readonly socket = new TestSocket((bytes) => this.#read(bytes))
  received = 0
  /** Whether it may have been left out of an update. */
  mayMiss: boolean
  readonly #document: number
  readonly #parser = new FrameParser()
  #leave: (() => void) | undefined

  constructor(symbols: readonly string[], document: number) {
    this.symbols = symbols
    this.#document = document
    this.mayMiss = document === waiting
  }

  get isOpen(): boolean {
    return this.#leave !== undefined
  }

  get hasNewest(): boolean {
    return this.symbols.every((symbol) => this.last.get(symbol)?.run === newest)
  }

  async join({ hub, shared, schedule }: Server): Promise<void> {
    const document = documents[this.#document] ?? assert.fail()
    const subscription = await hub.subscribe({ symbols: this.symbols, throttleMs: 0, after: new Map() })
    const connection = { socket: this.socket as unknown as Socket, carrier: { readyState: 1 }, framing: textFraming }
    const subscriber = shared.join({
      operation: sharedOperation({ schema, document }) ?? assert.fail(),
      args: { schema, document, contextValue: { viewer: { id: 'someone', wasAsked: false } } },
      subscription,
      writer: new SocketWriter({ ...connection, cut: () => assert.fail('nobody is cut') }, schedule),
      id: 'x',
      onEnd: { ended: () => {} },
      cost: null,
    })
    this.#leave = () => subscriber.return()
  }

  stall(): void {
    this.mayMiss = true
    this.socket.stall()
  }

  leave(): void {
    this.#leave?.()
    this.#leave = undefined
  }

  #read(bytes: Buffer): void {
    for (const { payload } of this.#parser.push(bytes)) {
      const { priceUpdates: seen } = (JSON.parse(textOf(payload)) as { payload: { data: { priceUpdates: Seen } } })
        .payload.data
      const before = this.last.get(seen.quote.symbol)
      this.last.set(seen.quote.symbol, seen)
      this.received += 1
      if (!before || before.run !== seen.run) assert.equal(seen.kind, 'SNAPSHOT')
      else if (this.mayMiss) assert.ok(seen.seq > before.seq, `${seen.seq} after ${before.seq}`)
      else assert.equal(seen.seq, before.seq + 1)
    }
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ price: fc.constantFrom(...symbols) }) },
  { weight: 2, arbitrary: fc.record({ prices: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 6, arbitrary: fc.constant('turn' as const) },
  { weight: 4, arbitrary: fc.record({ passMs: fc.constantFrom(1, 5, 20, 150) }) },
  { weight: 2, arbitrary: fc.record({ joins: fc.nat(), document: fc.nat(documents.length - 1) }) },
  { weight: 1, arbitrary: fc.constant('new run' as const) },
  { weight: 6, arbitrary: fc.record({ client: fc.nat(), does: fc.constantFrom('stall', 'read on', 'leave') }) },
)

/** Everybody has A, and of the others each their own. */
const symbolsOf = (n: number): string[] => symbols.filter((_, i) => i === 0 || ((n >> i) & 1) === 1)

/** Long messages for half of those that may be told to stall. */
const documentOf = (i: number): number => (i < 12 && i % 2 === 0 ? longest : i % longest)

test('whatever happens between the feed and the sockets, every client ends with the newest of each of its symbols', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 30, maxLength: 80 }),
      fc.constantFrom(0.01, 0.5, 10),
      async (steps, lookMs) => {
        using server = open(t, lookMs)
        const clients = Array.from({ length: clientsAtFirst }, (_, i) => new Client(symbolsOf(i), documentOf(i)))
        const joined = clients.map((client) => client.join(server))
        for (const symbol of symbols) server.price(symbol)
        await Promise.all(joined)
        for (const step of steps) {
          if (step === 'turn') await nextTurn()
          else if (step === 'new run') server.newRun()
          else if ('price' in step) server.price(step.price)
          else if ('prices' in step) for (let i = 0; i < step.prices; i++) server.price('A')
          else if ('passMs' in step) server.pass(step.passMs)
          else if ('joins' in step) {
            const client = new Client(symbolsOf(step.joins), step.document)
            clients.push(client)
            await client.join(server)
          } else {
            // The first twelve, or one of the newest four.
            const client = clients.at((step.client % 16) - 4) as Client
            if (step.does === 'stall') client.stall()
            else if (step.does === 'read on') client.socket.readOn()
            else client.leave()
          }
        }
        server.newRun()
        for (const symbol of symbols) server.price(symbol, newest)
        const behind = () => clients.filter((client) => client.isOpen && !client.hasNewest)
        // What waits to be spread takes a turn for each few hundred seats.
        for (let turn = 0; turn < 1000 && behind().some(({ socket }) => socket.reads); turn++) {
          await nextTurn()
          server.pass(20)
        }
        for (const { socket } of clients) socket.readOn()
        for (let turn = 0; turn < 100 && behind().length > 0; turn++) {
          await nextTurn()
          server.pass(20)
        }
        assert.deepEqual(behind(), [])
        assert.equal(
          clients.reduce((sum, { received }) => sum + received, 0),
          server.written(),
        )
        for (const client of clients) client.leave()
      },
    ),
    { numRuns: 20 },
  )
})
