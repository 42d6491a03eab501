// Load client: subscribers that all connect at once, are cut off, and all connect again. Writes ReconnectFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CpuShares, watchCpu } from '../support/machine.ts'
import { PriceClients, type PriceClientsOptions } from '../support/price-clients.ts'
import { percentile } from '../support/table.ts'

export interface ReconnectLoad extends PriceClientsOptions {
  readonly serverPid: number
  readonly connections: number
  readonly durationMs: number
}

/** Times since all began to connect. */
export interface StormFigures {
  /** Epoch milliseconds. */
  readonly beganAtMs: number
  readonly endedAtMs: number
  /** Time until a client had its first price. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lastMs: number
  /** Clients without a price when the time was up. */
  readonly unserved: number
  readonly cpu: CpuShares
}

export interface ReconnectFigures {
  readonly first: StormFigures
  readonly again: StormFigures
}

const load = JSON.parse(process.argv[2] ?? '{}') as ReconnectLoad
const timeoutMs = 60_000
/** Time in which prices flow and the remains of the first storm are cleared away. */
const calmMs = 3000
const clients = new PriceClients(load)

async function storm(): Promise<StormFigures> {
  const cpuUsed = watchCpu(load.serverPid)
  const beganAtMs = Date.now()
  const startedMs = performance.now()
  const servedMs: number[] = []
  for (let count = 0; count < load.connections; count++)
    clients.open(() => servedMs.push(performance.now() - startedMs))
  await clients.allServed(timeoutMs)
  return {
    beganAtMs,
    endedAtMs: Date.now(),
    cpu: cpuUsed(),
    p50Ms: percentile(servedMs, 0.5),
    p99Ms: percentile(servedMs, 0.99),
    lastMs: Math.max(...servedMs),
    unserved: load.connections - clients.served.size,
  }
}

const first = await storm()
await sleep(calmMs)
clients.destroyAll()
const again = await storm()
const figures: ReconnectFigures = { first, again }
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
