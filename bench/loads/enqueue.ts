// suites/enqueue.ts runs this in a process of its own: options in as JSON, figures out as JSON. The baseline:
// graphile-worker's addJob.
import { setTimeout as sleep } from 'node:timers/promises'
import { Logger as GraphileLogger, makeWorkerUtils } from 'graphile-worker'
import pg from 'pg'

export interface EnqueueOptions {
  readonly connectionString: string
  /** How many calls run at once, over as many connections. */
  readonly inFlight: number
  readonly durationMs: number
}

export interface EnqueueFigures {
  readonly jobsPerSecond: number
}

const { connectionString, inFlight, durationMs } = JSON.parse(process.argv[2] ?? '{}') as EnqueueOptions
const pool = new pg.Pool({ connectionString, max: 20 })
const utils = await makeWorkerUtils({ pgPool: pool, logger: new GraphileLogger(() => () => {}) })
await utils.migrate()
let added = 0
let isOver = false
const add = async (): Promise<void> => {
  while (!isOver) {
    await utils.addJob('ANALYSIS', { symbols: ['AAPL'], interval: 'DAY_1' })
    added += 1
  }
}
const adding = Array.from({ length: inFlight }, add)
await sleep(300)
added = 0
const startedMs = performance.now()
await sleep(durationMs)
const figures: EnqueueFigures = { jobsPerSecond: (1000 * added) / (performance.now() - startedMs) }
isOver = true
await Promise.all(adding)
await utils.release()
await pool.end()
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
