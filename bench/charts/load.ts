// Load client for charts: contestants in turns, round by round, each over its own connections that ask again when they
// have their answer. suite.ts runs it; writes LoadFigures.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { BollingerBands, EMA, MACD, RSI, SMA } from 'technicalindicators'
import { quiet, watchCpu } from '../support/machine.ts'
import { chartLength, history, type Market, newest, randomFrom, symbolAt } from './market.ts'
import { boards, type Pick, type Shape, shapes, spotBytes, unseenParameters, zipf } from './shapes.ts'

export interface Contestant {
  readonly name: string
  /** null: nothing is asked; technicalindicators computes the five indicators of the shape `unseen` in this process. */
  readonly server: { readonly url: string; readonly pid: number } | null
  /** Whether it asks a source for its open candles again when they are older than `openLifetimeMs`. */
  readonly asksSource?: boolean
  readonly shape: keyof typeof shapes
  /** zipf: symbols by Zipf's law. hot: one symbol. turns: each symbol in turn. boards: boards by chance. */
  readonly picks: 'zipf' | 'hot' | 'turns' | 'boards'
  readonly encoding?: 'identity' | 'zstd' | 'br' | 'gzip'
  /** By GET; `revalidated`: with the tag of the last answer, so that the next one is 304. */
  readonly get?: 'plain' | 'revalidated'
}

export interface ChartLoad {
  readonly contestants: readonly Contestant[]
  readonly market: Market
  readonly rounds: number
  readonly warmUpMs: number
  readonly roundMs: number
  readonly connections: number
  /** Whether to wait for a quiet machine before each measurement. */
  readonly isPatient: boolean
  /** Time for all, including preparation. */
  readonly durationMs: number
}

/** Of one contestant in one round. */
export interface RoundFigures {
  readonly perSecond: number
  readonly p50Ms: number
  /** Of an answer in the mean, without its head. */
  readonly bytes: number
  /** CPU time of the server's process for one answer, in microseconds. */
  readonly serverMicros: number
  /** Share of a core. */
  readonly clientCpu: number
}

/** The rounds of each contestant, by name. */
export type LoadFigures = Readonly<Record<string, readonly RoundFigures[]>>

const load = JSON.parse(process.argv[2] ?? '{}') as ChartLoad
const { market } = load
/** Of that many answers, one is parsed and checked as a whole. */
const wholeEach = 997

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

interface Response {
  readonly status: number
  readonly head: string
  readonly body: Buffer
}

/** What the first answer of a pick was like. */
interface Known {
  readonly length: number
  readonly start: Buffer
  readonly spots: { readonly keys: readonly string[]; readonly at: number; readonly bytes: Buffer }[]
}

class Asker {
  readonly contestant: Contestant
  readonly #shape: Shape
  readonly #draw: () => Pick
  readonly #known = new Map<number, Known>()
  readonly #tags = new Map<number, string>()
  #answers = 0
  #leftOut: ReadonlySet<number> = new Set()

  constructor(contestant: Contestant) {
    this.contestant = contestant
    this.#shape = shapes[contestant.shape]
    this.#draw = drawing(contestant)
  }

  /** Asks for all that may be picked once and checks the answers as a whole, apart from those that differ each time. */
  async prepare(): Promise<void> {
    const { picks, shape } = this.contestant
    if (shape === 'unseen') return
    const count = picks === 'hot' ? 1 : picks === 'boards' ? boards : market.symbols
    let rank = 0
    const one = async (connection: Connection): Promise<void> => {
      while (rank < count) {
        const pick = { rank: rank++, turn: 0 }
        this.#accept(pick, await connection.ask(this.#request(pick)), true)
      }
    }
    const connections = await this.#open(Math.min(count, load.connections))
    await Promise.all(connections.map(one))
    for (const connection of connections) connection.close()
  }

  /** Symbols that it does not ask for in the next measurement. */
  leaveOut(ranks: readonly number[]): void {
    this.#leftOut = new Set(ranks)
  }

  #next(): Pick {
    let pick = this.#draw()
    while (this.#leftOut.has(pick.rank)) pick = this.#draw()
    return pick
  }

  async measure(): Promise<RoundFigures> {
    const { server } = this.contestant
    if (!server) return computing()
    const latenciesMs: number[] = []
    let [isOver, measuring, bytes] = [false, false, 0]
    const one = async (connection: Connection): Promise<void> => {
      while (!isOver) {
        const pick = this.#next()
        const askedMs = performance.now()
        const response = await connection.ask(this.#request(pick))
        if (measuring) {
          latenciesMs.push(performance.now() - askedMs)
          bytes += response.body.length
        }
        this.#accept(pick, response)
      }
    }
    const connections = await this.#open(load.connections)
    const asking = Promise.all(connections.map(one))
    await sleep(load.warmUpMs)
    const cpuUsed = watchCpu(server.pid)
    const startedMs = performance.now()
    measuring = true
    await sleep(load.roundMs)
    const seconds = (performance.now() - startedMs) / 1000
    const cpu = cpuUsed()
    measuring = false
    isOver = true
    await asking
    for (const connection of connections) connection.close()
    const count = latenciesMs.length
    latenciesMs.sort((a, b) => a - b)
    return {
      perSecond: count / seconds,
      p50Ms: latenciesMs[Math.floor(count / 2)] ?? Number.NaN,
      bytes: bytes / count,
      serverMicros: (1e6 * cpu.server * seconds) / count,
      clientCpu: cpu.client,
    }
  }

  async #open(count: number): Promise<Connection[]> {
    const { server } = this.contestant
    return server ? Promise.all(Array.from({ length: count }, () => Connection.open(server.url))) : []
  }

  #request(pick: Pick): Buffer {
    const { server, encoding = 'identity', get } = this.contestant
    const { pathname, host } = new URL(server?.url ?? '')
    const query = this.#shape.document
    const variables = this.#shape.variables(pick, market)
    if (get) {
      const tag = get === 'revalidated' ? this.#tags.get(pick.rank) : undefined
      const search = new URLSearchParams({ query, variables: JSON.stringify(variables) })
      const condition = tag === undefined ? '' : `if-none-match: ${tag}\r\n`
      return Buffer.from(`GET ${pathname}?${search} HTTP/1.1\r\n${acceptOf(host, encoding)}${condition}\r\n`)
    }
    return postOf(server?.url ?? '', query, variables, encoding)
  }

  /** Ends the process if the answer is wrong. */
  #accept(pick: Pick, { status, head, body }: Response, isFirst = false): void {
    const { get, encoding = 'identity', name } = this.contestant
    const tag = /\r\netag: *(\S+)/i.exec(head)?.[1]
    if (get === 'revalidated' && !isFirst) {
      if (status !== 304 || body.length > 0) fail(`${name}: not a 304 but ${status}`)
      return
    }
    if (tag !== undefined) this.#tags.set(pick.rank, tag)
    const used = /\r\ncontent-encoding: *(\S+)/i.exec(head)?.[1] ?? 'identity'
    if (status !== 200 || used !== encoding) fail(`${name}: ${status}, ${used}: ${body.toString('latin1', 0, 500)}`)
    this.#answers += 1
    const known = this.#known.get(pick.rank)
    if (isFirst || this.#answers % wholeEach === 0) this.#checkWhole(pick, plain(body, used))
    if (isFirst) this.#known.set(pick.rank, this.#remember(pick, body))
    else if (known) this.#checkSpots(pick, known, body)
    else if (used === 'identity' && !body.includes('"high":[')) fail(`${name}: a wrong answer`)
  }

  #checkWhole(pick: Pick, body: Buffer): void {
    const text = body.toString()
    try {
      const { data, errors } = JSON.parse(text) as { data: unknown; errors?: unknown }
      if (errors) throw new Error('errors')
      this.#shape.check(data, pick, market)
    } catch (error) {
      fail(`${this.contestant.name}: ${String(error)}: ${text.slice(0, 500)}`)
    }
  }

  #remember(pick: Pick, body: Buffer): Known {
    if (this.contestant.encoding !== undefined && this.contestant.encoding !== 'identity') {
      return { length: body.length, start: Buffer.alloc(0), spots: [] }
    }
    const start = Buffer.from(body.subarray(0, body.indexOf(this.#shape.fixedUntil)))
    const spots = this.#shape.spots(pick, market).map((keys) => {
      const at = found(body, keys, 0)
      return { keys, at, bytes: Buffer.from(body.subarray(at, at + spotBytes)) }
    })
    return { length: body.length, start, spots }
  }

  #checkSpots({ rank }: Pick, { length, start, spots }: Known, body: Buffer): void {
    const { name, encoding = 'identity' } = this.contestant
    const slack = encoding === 'identity' ? this.#shape.slack : 0.03 * length
    if (Math.abs(body.length - length) > slack) fail(`${name}: ${body.length} bytes instead of ${length} for ${rank}`)
    if (body.compare(start, 0, start.length, 0, start.length) !== 0) fail(`${name}: another beginning for ${rank}`)
    const spot = spots[this.#answers % spots.length]
    if (!spot) return
    const at = found(body, spot.keys, Math.max(0, spot.at - this.#shape.slack - 400))
    if (body.compare(spot.bytes, 0, spotBytes, at, at + spotBytes) !== 0)
      fail(`${name}: another ${spot.keys} of ${rank}`)
  }
}

const acceptOf = (host: string, encoding: string): string =>
  `host: ${host}\r\naccept: application/json\r\naccept-encoding: ${encoding}\r\n`

function postOf(url: string, query: string, variables: object, encoding = 'identity'): Buffer {
  const { pathname, host } = new URL(url)
  const body = JSON.stringify({ query, operationName: /\w+(?=\()/.exec(query)?.[0], variables })
  const type = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  return Buffer.from(`POST ${pathname} HTTP/1.1\r\n${acceptOf(host, encoding)}${type}\r\n${body}`)
}

/** Where the bytes after these keys begin, one behind the other. */
function found(body: Buffer, keys: readonly string[], from: number): number {
  let at = from
  for (const key of keys) {
    const next = body.indexOf(key, at, 'latin1')
    if (next < 0) fail(`no ${key}: ${body.toString('latin1', 0, 200)}`)
    at = next + key.length
  }
  return at
}

function plain(body: Buffer, encoding: string): Buffer {
  if (encoding === 'zstd') return zstdDecompressSync(body)
  if (encoding === 'br') return brotliDecompressSync(body)
  return encoding === 'gzip' ? gunzipSync(body) : body
}

function drawing({ picks }: Contestant): () => Pick {
  const random = randomFrom(42)
  const byZipf = zipf(market.symbols, random)
  let count = 0
  if (picks === 'zipf') return () => ({ rank: byZipf(), turn: 0 })
  if (picks === 'boards') return () => ({ rank: Math.floor(boards * random()), turn: 0 })
  if (picks === 'hot') return () => ({ rank: 0, turn: 0 })
  return () => {
    const asked = count++
    return { rank: asked % market.symbols, turn: Math.floor(asked / market.symbols) }
  }
}

/** One request at a time over a connection that stays open. */
class Connection {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #received = 0
  #head: { readonly text: string; readonly status: number; readonly end: number; readonly length: number } | null = null
  #resolve: (response: Response) => void = () => {}
  #isClosed = false

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await new Promise<void>((resolve) => socket.once('connect', resolve).once('error', (error) => fail(error.message)))
    return new Connection(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => {
      if (!this.#isClosed) fail('the server closed a connection')
    })
  }

  ask(request: Buffer): Promise<Response> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#received += chunk.length
    this.#head ??= this.#readHead()
    const head = this.#head
    if (!head || this.#received < head.end + head.length) return
    if (this.#received > head.end + head.length) fail('more bytes than content-length says')
    const whole = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#received)
    this.#chunks = []
    this.#received = 0
    this.#head = null
    this.#resolve({ status: head.status, head: head.text, body: whole.subarray(head.end) })
  }

  #readHead() {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    const at = bytes?.indexOf('\r\n\r\n') ?? -1
    if (!bytes || at < 0) return null
    const text = bytes.toString('latin1', 0, at)
    const status = Number(text.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    if (length === undefined && status !== 304) fail(`an answer without content-length:\n${text}`)
    return { text, status, end: at + 4, length: status === 304 ? 0 : Number(length) }
  }
}

/** How often a second the library computes the five indicators, with parameters as in `unseen`. */
async function computing(): Promise<RoundFigures> {
  const closes = Array.from({ length: 50 }, (_, rank) => newest(history(rank, market.today), chartLength).close)
  let count = 0
  let startedMs = performance.now()
  for (let isWarm = false; performance.now() - startedMs < load.roundMs; ) {
    library(closes[count % closes.length] ?? [], count)
    count += 1
    if (!isWarm && performance.now() - startedMs > load.warmUpMs) {
      isWarm = true
      count = 0
      startedMs = performance.now()
    }
    if (count % 20 === 0) await sleep(0)
  }
  const perSecond = (1000 * count) / (performance.now() - startedMs)
  const none = { bytes: 0, clientCpu: 0 }
  return { ...none, perSecond, p50Ms: 1000 / perSecond, serverMicros: 1e6 / perSecond }
}

function library(values: number[], turn: number): void {
  const { sma, ema, rsi, fast, slow, deviations } = unseenParameters({ rank: 0, turn })
  const plainMacd = { SimpleMAOscillator: false, SimpleMASignal: false }
  const lengths = [
    SMA.calculate({ period: sma, values }).length,
    EMA.calculate({ period: ema, values }).length,
    RSI.calculate({ period: rsi, values }).length,
    MACD.calculate({ values, fastPeriod: fast, slowPeriod: slow, signalPeriod: 9, ...plainMacd }).length,
    BollingerBands.calculate({ period: 20, stdDev: deviations, values }).length,
  ]
  if (lengths.some((length) => length < chartLength - 100)) fail('the library gave too little')
}

/** How old Finstage lets the open candle of a day become (openLifetimeMs in src/market/source.ts). */
const openLifetimeMs = 15_000
/** Of symbols asked for all the time, so many expire during a measurement. */
const expiring = (load.warmUpMs + load.roundMs) / openLifetimeMs

/** The contestants of one server, who are measured one behind the other. */
class Turn {
  readonly #askers: readonly Asker[]
  readonly #url: string | null
  readonly #random = randomFrom(7)
  #endedMs = performance.now()

  constructor(askers: readonly Asker[]) {
    this.#askers = askers
    const [first] = askers
    this.#url = first?.contestant.asksSource ? (first.contestant.server?.url ?? null) : null
  }

  async take(): Promise<void> {
    if (load.isPatient) await quiet()
    if (this.#url !== null) await this.#renewOpenCandles(this.#url)
    for (const asker of this.#askers) figures[asker.contestant.name]?.push(await asker.measure())
    this.#endedMs = performance.now()
  }

  /**
   * While others were measured, all open candles have become too old. A server in steady use never has to ask for all at
   * once, so most are renewed before the measurement. As many as expire in its time are left to each contestant; the
   * others do not ask for those.
   */
  async #renewOpenCandles(url: string): Promise<void> {
    const spread = this.#askers.filter(({ contestant }) => contestant.picks !== 'hot')
    if (spread.length === 0) return
    if (load.isPatient) await sleep(Math.max(0, this.#endedMs + openLifetimeMs + 200 - performance.now()))
    const ranks = Array.from({ length: market.symbols }, (_, rank) => ({ rank, at: this.#random() }))
    const mixed = ranks.sort((a, b) => a.at - b.at).map(({ rank }) => rank)
    const size = Math.round(expiring * market.symbols)
    const left = spread.map(() => mixed.splice(0, size))
    for (const [at, asker] of spread.entries()) asker.leaveOut(left.filter((_, other) => other !== at).flat())
    const one = async (connection: Connection): Promise<void> => {
      for (let rank = mixed.pop(); rank !== undefined; rank = mixed.pop()) {
        const { status, body } = await connection.ask(postOf(url, newestDocument, { symbol: symbolAt(rank) }))
        if (status !== 200 || !body.includes('"time":[')) fail(`no newest candle: ${body.toString('latin1', 0, 300)}`)
      }
    }
    const connections = await Promise.all(Array.from({ length: load.connections }, () => Connection.open(url)))
    await Promise.all(connections.map(one))
    for (const connection of connections) connection.close()
  }
}

const newestDocument = 'query Newest($symbol: Symbol!) { candles(symbol: $symbol, last: 1) { columns { time } } }'

const askers = load.contestants.map((contestant) => new Asker(contestant))
for (const asker of askers) await asker.prepare()
const figures: Record<string, RoundFigures[]> = Object.fromEntries(
  askers.map(({ contestant }) => [contestant.name, []]),
)
const byServer = Map.groupBy(askers, ({ contestant }) => contestant.server?.url)
const turns = [...byServer.values()].map((each) => new Turn(each))
for (let round = 0; round < load.rounds; round++) {
  // Each begins a round once, because the first meets a machine that has rested.
  for (const at of turns.keys()) await turns[(round + at) % turns.length]?.take()
}
process.stdout.write(JSON.stringify(figures satisfies LoadFigures), () => process.exit(0))
