// Prints figures, each beside a baseline measured in the same run. bench/README.md explains them.
// usage: npm run bench -- [--only http|fan-out|many-clients|idle-clients|stalled-readers|reconnect|polling|candles|indicators|
//   backfill|queue|enqueue|analysis|responsive|memory|hostile|batches|many-documents|price|price-pairs|candle-pairs|charts|chart-...] [--quick] [--profiles <directory>]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureBatches } from './batches/suite.ts'
import { chartParts, measureCharts } from './charts/suite.ts'
import { measureManyDocuments } from './many/suite.ts'
import { measurePrice } from './price/suite.ts'
import { measureAnalysis } from './suites/analysis.ts'
import { measureBackfill } from './suites/backfill.ts'
import { measureCandles } from './suites/candles.ts'
import { measureEnqueue } from './suites/enqueue.ts'
import { measureFanOut } from './suites/fan-out.ts'
import { measureHostile } from './suites/hostile.ts'
import { measureHttp } from './suites/http.ts'
import { measureIndicators } from './suites/indicators.ts'
import { measureIdleClients, measureManyClients } from './suites/many-clients.ts'
import { measureMemory } from './suites/memory.ts'
import { measureCandlePairs, measurePricePairs } from './suites/pairs.ts'
import { measurePolling } from './suites/polling.ts'
import { measureQueue } from './suites/queue.ts'
import { measureReconnect } from './suites/reconnect.ts'
import { measureResponsive } from './suites/responsive.ts'
import { measureStalledReaders } from './suites/stalled-readers.ts'
import { machineFacts } from './support/machine.ts'
import { keepProfiles, stopAll } from './support/processes.ts'

const scenarios = {
  http: measureHttp,
  'fan-out': measureFanOut,
  'many-clients': measureManyClients,
  'idle-clients': measureIdleClients,
  'stalled-readers': measureStalledReaders,
  reconnect: measureReconnect,
  polling: measurePolling,
  candles: measureCandles,
  indicators: measureIndicators,
  backfill: measureBackfill,
  queue: measureQueue,
  enqueue: measureEnqueue,
  analysis: measureAnalysis,
  responsive: measureResponsive,
}

/** These take long, so they run only if --only names them. --quick shortens them to a check that they work. */
const longScenarios = {
  memory: measureMemory,
  hostile: measureHostile,
  batches: measureBatches,
  'many-documents': measureManyDocuments,
  price: measurePrice,
  'price-pairs': measurePricePairs,
  'candle-pairs': measureCandlePairs,
  charts: measureCharts,
  ...chartParts,
}

const directory = mkdtempSync(join(tmpdir(), 'finstage-bench-'))
let ending: Promise<void> | undefined

function end(exitCode: number): Promise<void> {
  ending ??= stopAll().finally(() => {
    rmSync(directory, { recursive: true, force: true })
    process.exit(exitCode)
  })
  return ending
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, profiles: { type: 'string' }, quick: { type: 'boolean', default: false } },
  })
  const { only, profiles, quick } = values
  const all = { ...scenarios, ...longScenarios }
  if (only !== undefined && !Object.hasOwn(all, only)) {
    throw new Error(`--only ${only} is none of ${Object.keys(all).join(', ')}`)
  }
  if (profiles !== undefined) keepProfiles(profiles)
  process.stdout.write(`# Finstage bench\n\n${machineFacts()}\n`)
  for (const [name, measure] of Object.entries(all)) {
    const isWanted = only === undefined ? Object.hasOwn(scenarios, name) : only === name
    if (isWanted) process.stdout.write(`\n${await measure(directory, progress, quick)}\n`)
  }
}

process.on('SIGINT', () => void end(130))
process.on('SIGTERM', () => void end(143))
main().then(
  () => end(0),
  (error: unknown) => {
    // Failures caused by stopping are not worth reporting.
    if (!ending) progress(`The bench has failed: ${error instanceof Error ? error.message : String(error)}`)
    return end(1)
  },
)
