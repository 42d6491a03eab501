// Measures what operations cost, and writes the weights of their prices: npm run price. With --check it compares what it
// measures with the weights that there are, and exits with 1 if one is off by more than a factor of two.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { schema } from '../../src/schema/index.ts'
import { weights as known } from '../../src/schema/price/weights.ts'
import { median } from '../support/table.ts'
import { generatedOperation } from './generated.ts'
import { MeasuredApp } from './measured-app.ts'
import { measureWeights, type Weights } from './measured-weights.ts'
import { prepare } from './prepared.ts'

const rounds = 4
/** A weight may be off by this factor either way before it counts as stale. */
const tolerance = 2
const file = join(import.meta.dirname, '../../src/schema/price/weights.ts')

/** Weights by path, as in indicators.sma.row. */
function flat(weights: object, path = ''): Map<string, number> {
  const found = new Map<string, number>()
  for (const [name, value] of Object.entries(weights)) {
    if (typeof value === 'number') found.set(path + name, value)
    else for (const [inner, number] of flat(value as object, `${path}${name}.`)) found.set(inner, number)
  }
  return found
}

/**
 * What is measured is asked again and again, one thing at a time. Among other work it takes half as much again: other code
 * and data take the caches of the processor. A request alone is measured among others.
 */
const besideOthers = 1.5

/** The median of each weight over the rounds, to three digits. */
function mediansOf(all: readonly Weights[]): Weights {
  const merge = (each: readonly object[]): object =>
    Object.fromEntries(
      Object.entries(each[0] ?? {}).map(([name, value]) => {
        const values = each.map((one) => (one as Record<string, unknown>)[name])
        if (typeof value !== 'number') return [name, merge(values as object[])]
        const factor = name === 'request' ? 1 : besideOthers
        return [name, Number((factor * median(values as number[])).toPrecision(3))]
      }),
    )
  return merge(all) as Weights
}

/** Differences of what takes next to nothing come out a little below it now and then. */
const noise = (name: string): number => (isSmall(name) ? 0.1 : floor(name))

/** Weights that are less than nothing, or no numbers. */
const nonsenseIn = (medians: Weights): string[] =>
  [...flat(medians)].filter(([name, value]) => !(value > -noise(name))).map(([name, value]) => `${name} (${value})`)

/** An upper bound of what is too little to be measured. */
const least = 0.001

const atLeastNothing = <Part extends object>(part: Part): Part =>
  Object.fromEntries(
    Object.entries(part).map(([name, value]) => {
      if (typeof value !== 'number') return [name, atLeastNothing(value as object)]
      return [name, /window|fixed/.test(name) ? Math.max(0, value) : Math.max(least, value)]
    }),
  ) as Part

function write(weights: Weights): void {
  const head =
    "// Written by `npm run price`, which measures it. Microseconds of CPU of the server's thread, on the machine of the bench.\n"
  writeFileSync(file, `${head}export const weights = ${JSON.stringify(weights, null, 2)} as const\n`)
  spawnSync('npx', ['biome', 'check', '--write', file], { stdio: 'ignore' })
}

/** Weights that are no longer true. Those too small to matter are left out: they are noise. */
function staleOf(measured: Weights): string[] {
  const now = flat(measured)
  const stale: string[] = []
  for (const [name, before] of flat(known)) {
    const found = now.get(name) ?? Number.NaN
    const factor = Math.max(found, floor(name)) / Math.max(before, floor(name))
    if (!(factor <= tolerance && factor >= 1 / tolerance)) stale.push(`${name}: ${before} is now ${found}`)
  }
  return stale
}

/** Microseconds below which a weight says nothing: of an operation, less than a point; of what it has many of, less. */
function floor(name: string): number {
  if (name.endsWith('window')) return 0.001
  if (isSmall(name)) return 0.03
  return /field|listing|symbol|column|session|seat|delivery/i.test(name) ? 1 : 10
}

/** Whether it is the weight of an entry or of a row, of which there are thousands. */
const isSmall = (name: string): boolean =>
  /leaf|object|row|hour|day|part|pair|window|fixed|node|number|instant|point|written|value/i.test(name)

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const directory = mkdtempSync(join(tmpdir(), 'finstage-price-'))
let exitCode = 0
try {
  const app = await MeasuredApp.start(directory, { PRICE: 'measure' })
  try {
    const market = await prepare(app)
    // As a server is that has served all kinds of operations: code that has seen one kind alone is faster.
    for (let i = 0; i < 250; i++) {
      const operation = generatedOperation(schema, market, 100_000 + i)
      await app.measure(() => operation, { warmUps: 12, warmUpMs: 100, measuredMs: 1 })
    }
    const all: Weights[] = []
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const found = await measureWeights(app, market, round)
      if (round > 0) all.push(found)
      process.stderr.write(`round ${round} of ${rounds}\n`)
    }
    const medians = mediansOf(all)
    const nonsense = nonsenseIn(medians)
    if (nonsense.length > 0) {
      throw new Error(
        `These came out as less than nothing, so the machine was too busy, or what they are measured by has changed: ${nonsense.join(', ')}`,
      )
    }
    const measured = atLeastNothing(medians)
    if (values.check) {
      const stale = staleOf(measured)
      process.stdout.write(stale.length === 0 ? 'The weights hold.\n' : `${stale.join('\n')}\n`)
      if (stale.length > 0) exitCode = 1
    } else {
      write(measured)
      process.stdout.write(`${JSON.stringify(measured, null, 2)}\n`)
    }
  } finally {
    await app.stop()
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
process.exit(exitCode)
