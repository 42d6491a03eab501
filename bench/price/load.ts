// Load of the bench `price`: measures operations in a server of its own, and writes what each took as JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { schema } from '../../src/schema/index.ts'
import { attacks } from '../loads/attacks.ts'
import { median } from '../support/table.ts'
import { type GeneratedSubscription, generatedOperation, generatedSubscription, type Known } from './generated.ts'
import { MeasuredApp, type MeasuredBegin, usualPace } from './measured-app.ts'
import { prepare } from './prepared.ts'

export interface PriceLoad {
  readonly operations: number
  readonly durationMs: number
}

export interface PricedRun {
  readonly name: string
  /** CPU of the server's thread, and the estimate in points; null: it was refused before it had a price. */
  readonly micros: number
  readonly points: number | null
  readonly error: string | null
}

export interface PriceFigures {
  readonly generated: readonly PricedRun[]
  readonly hostile: readonly PricedRun[]
  /** What beginning each took, with its first events. */
  readonly subscriptions: readonly PricedRun[]
}

/** Jobs that an attack has queued run in the same process: they end first. */
const settleMs = 3000

const { operations } = JSON.parse(process.argv[2] ?? '{}') as PriceLoad
const directory = mkdtempSync(join(tmpdir(), 'finstage-price-'))
const app = await MeasuredApp.start(directory, { PRICE: 'measure' })

async function generated(market: Known): Promise<PricedRun[]> {
  // A server that has just started takes several times as long for everything.
  for (let i = 0; i < 200; i++) {
    const operation = generatedOperation(schema, market, 300_000 + i)
    await app.measure(() => operation, { ...usualPace, measuredMs: 1, warmUpMs: 200 })
  }
  const runs: PricedRun[] = []
  for (let i = 0; i < operations; i++) {
    const operation = generatedOperation(schema, market, i)
    const { micros, points, errors } = await app.measure(() => operation, usualPace)
    runs.push({ name: `generated ${i}: ${operation.query}`, micros, points, error: errors[0] ?? null })
    if (i % 100 === 99) process.stderr.write(`${i + 1} operations\n`)
  }
  return runs
}

const indicatorsOf = (period: number): string =>
  ['sma', 'ema', 'rsi', 'roc', 'cci'].map((name) => `${name}(period: ${period})`).join(' ')

/** What clients ask for: boards, and charts that are drawn on. */
function usualSubscriptions({ symbols }: Known): (GeneratedSubscription & { readonly name: string })[] {
  const chart = (period: number): string =>
    `subscription { candleUpdates(symbol: "AAPL") { kind candle { time close } series { columns { ${indicatorsOf(period)} } } } }`
  const board = JSON.stringify(symbols)
  const prices = 'kind symbol price change changePercent seq cursor'
  return [
    { name: 'a price', query: 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }', first: 1 },
    {
      name: 'a board',
      query: `subscription { priceUpdates(symbols: ${board}) { ${prices} } }`,
      first: symbols.length,
    },
    {
      name: 'a board in batches',
      query: `subscription { priceBatches(symbols: ${board}) { ${prices} } }`,
      first: symbols.length,
    },
    { name: 'a chart with five indicators', query: chart(20), first: 1 },
    { name: 'a chart with five indicators of period 1,000', query: chart(1000), first: 1 },
  ]
}

const atOnce = 20

/** Each is begun some times before it is measured, as operations are. */
async function subscriptions(market: Known): Promise<PricedRun[]> {
  const generated = Array.from({ length: Math.ceil(operations / 10) }, (_, i) => {
    const subscription = generatedSubscription(schema, market, i)
    return { name: `generated ${i}: ${subscription.query}`, ...subscription }
  })
  const runs: PricedRun[] = []
  for (const { name, query, variables, first } of [...usualSubscriptions(market), ...generated]) {
    const asked = { query, ...(variables && { variables }) }
    // One of prices takes less than what happens beside it. A second of the same series would find it at hand.
    const count = query.includes('candleUpdates') ? 1 : atOnce
    const all = Array.from({ length: count }, () => asked)
    for (let i = 0; i < 4; i++) await app.measureBegin(all, first)
    const measured: MeasuredBegin[] = []
    for (let i = 0; i < 5; i++) measured.push(await app.measureBegin(all, first))
    const micros = median(measured.map(({ micros }) => micros))
    const [one] = measured
    runs.push({ name, micros, points: one?.points ?? null, error: one?.errors[0] ?? null })
  }
  return runs
}

/** Attacks take turns between two sizes: each is measured by itself. Most of their documents are always new. */
async function hostile(): Promise<PricedRun[]> {
  const runs: PricedRun[] = []
  for (const [name, attack] of Object.entries(attacks)) {
    for (const { body, contentType } of attack.prepare ?? []) await app.ask([body], 1, contentType)
    await sleep(attack.settleMs ?? 0)
    for (const size of [1, 2]) {
      const { contentType } = attack.request(size)
      const bodyAt = (i: number): string => attack.request(size + 2 * i).body
      const { micros, points, errors } = await app.measureBodies(bodyAt, usualPace, contentType)
      runs.push({ name: `${name}, ${size === 1 ? 'as found' : 'shorter'}`, micros, points, error: errors[0] ?? null })
      await sleep(settleMs)
    }
  }
  return runs
}

try {
  const market = await prepare(app)
  const figures: PriceFigures = {
    generated: await generated(market),
    subscriptions: await subscriptions(market),
    hostile: await hostile(),
  }
  process.stdout.write(JSON.stringify(figures))
} finally {
  await app.stop()
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
