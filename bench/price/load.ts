// Load of the bench `price`: measures operations in a server of its own, and writes what each took as JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { schema } from '../../src/schema/index.ts'
import { attacks } from '../loads/attacks.ts'
import { generatedOperation } from './generated.ts'
import { MeasuredApp, usualPace } from './measured-app.ts'
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
}

/** Jobs that an attack has queued run in the same process: they end first. */
const settleMs = 3000

const { operations } = JSON.parse(process.argv[2] ?? '{}') as PriceLoad
const directory = mkdtempSync(join(tmpdir(), 'finstage-price-'))
const app = await MeasuredApp.start(directory, { PRICE: 'measure' })

async function generated(): Promise<PricedRun[]> {
  const market = await prepare(app)
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
  const figures: PriceFigures = { generated: await generated(), hostile: await hostile() }
  process.stdout.write(JSON.stringify(figures))
} finally {
  await app.stop()
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
