import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { schema } from '../../../src/schema/index.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { hostileShapes } from '../../support/operations/hostile-shapes.ts'
import { ask, cpuSeconds, type Transport, transports, type Verdict } from '../../support/operations/operation-runner.ts'
import { extremeOperations, type GeneratedOperation } from '../../support/operations/operations.ts'
import { startProcess } from '../../support/process.ts'

/** What one operation may cost. */
const mostCpuSeconds = 2
/** Of generated operations; those of each shape are tried beside. With it, all that is found is told at the end. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 15)
const isLong = process.env.FUZZ_SECONDS !== undefined
const seed = Number(process.env.FUZZ_SEED ?? (isLong ? Math.trunc(Math.random() * 1e9) : 1))

/** Shapes are known by their name and size, generated operations by their seed. */
const shownLength = isLong ? 2000 : 400

const database = await createTestDatabase()
after(() => database[Symbol.asyncDispose]())

/** Each role in a process of its own: what is measured is the API's CPU time alone. */
const environment = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', LOG_LEVEL: 'info' }
const others = [await startProcess(['ingest'], environment), await startProcess(['worker'], environment)]
let server = await startProcess(['api'], environment)
after(() => Promise.all([...others, server].map((each) => each[Symbol.asyncDispose]())))

interface Finding {
  readonly what: string
  readonly transport: Transport
  readonly fault: string
  readonly operation: string
}

const quote = { query: '{ quote(symbol: "AAPL") { price } }', variables: {} }
let withData = 0

/** One operation by itself, and after it a quote; null: nothing is wrong. */
async function tried(what: string, transport: Transport, operation: GeneratedOperation): Promise<Finding | null> {
  const found = (fault: string): Finding => {
    const text = JSON.stringify(operation)
    return { what, transport, fault, operation: text.length > shownLength ? `${text.slice(0, shownLength)} ...` : text }
  }
  const before = cpuSeconds(server.pid)
  let verdict: Verdict
  try {
    verdict = await ask(server.api, transport, operation)
    if (verdict.hasData) withData += 1
    if (verdict.fault === null) verdict = await ask(server.api, 'POST', quote)
  } catch (error) {
    const cause = error instanceof Error ? `${error.message} ${error.cause ?? ''}` : String(error)
    verdict = { fault: `the connection failed: ${cause}`, hasData: false }
  }
  const { fault } = verdict
  // A process that ends closes its connections first.
  const hasEnded = fault !== null && (await Promise.race([server.exited, sleep(1000)])) !== undefined
  const used = hasEnded ? 0 : cpuSeconds(server.pid) - before
  if (hasEnded || fault?.startsWith('no answer')) await startAnew()
  if (hasEnded) return found('the process has ended')
  if (fault !== null) return found(`${fault} (${used.toFixed(2)} s of CPU)`)
  return used > mostCpuSeconds ? found(`${used.toFixed(2)} s of CPU`) : null
}

/** What still works on an operation would be counted as the next one's. */
async function startAnew(): Promise<void> {
  server.kill('SIGKILL')
  await server.exited
  server = await startProcess(['api'], environment)
}

const told = (findings: readonly Finding[]): string =>
  findings.map(({ what, transport, fault, operation }) => `${what}, ${transport}: ${fault}\n${operation}`).join('\n\n')

// What the first requests compile and load is no operation's.
for (const { operation } of Object.values(hostileShapes)) await ask(server.api, 'POST', operation(1)).catch(() => {})

for (const [turn, [what, { most, operation }]] of Object.entries(hostileShapes).entries()) {
  test(`${what}: at every size at most ${mostCpuSeconds} s of CPU, and an answer with a code`, async () => {
    const findings: Finding[] = []
    // What is refused for its size is cheap: what is just not refused is found by halves.
    for (const [i, share] of [1, 0.5, 0.25, 0.12, 0.06].entries()) {
      const size = Math.ceil(most * share)
      const transport = transports[(turn + i) % transports.length] ?? 'POST'
      const finding = await tried(`${what}, ${size}`, transport, operation(size))
      if (finding) findings.push(finding)
    }
    assert.equal(findings.length, 0, told(findings))
  })
}

test(`generated operations: none takes over ${mostCpuSeconds} s of CPU, none ends the process, each is answered with a code`, async (t) => {
  t.diagnostic(`FUZZ_SEED=${seed}`)
  const shapes = Object.entries(hostileShapes)
  const ofShapes = fc
    .tuple(fc.constantFrom(...shapes), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([[what, { most, operation }], share]) => {
      const size = Math.max(1, Math.round(most * share))
      return { what: `${what}, ${size}`, operation: operation(size) }
    })
  const ofSchema = extremeOperations(schema).map((operation) => ({ what: 'generated', operation }))
  const arbitrary = fc.tuple(fc.oneof(ofSchema, ofSchema, ofShapes), fc.constantFrom(...transports))
  const findings: Finding[] = []
  withData = 0
  const endMs = Date.now() + 1000 * seconds
  let run = 0
  for (; Date.now() < endMs; run++) {
    const [[{ what, operation }, transport] = assert.fail()] = fc.sample(arbitrary, { seed: seed + run, numRuns: 1 })
    const finding = await tried(`FUZZ_SEED=${seed + run} ${what}`, transport, operation)
    if (!finding) continue
    findings.push(finding)
    if (isLong) process.stderr.write(`${told([finding])}\n\n`)
    else break
  }
  t.diagnostic(`${run} operations, ${withData} of them answered with data`)
  assert.ok(run > seconds, `${run} operations in ${seconds} s`)
  if (findings.length === 0) assert.ok(withData > run / 10, `${withData} of ${run} answered with data`)
  assert.equal(findings.length, 0, `${findings.length} of ${run}:\n${told(findings)}`)
})
