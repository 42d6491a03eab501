// Load client: subscribers who join evenly over a time, and leave when they have a price. beside.ts runs it; writes
// JoinsFigures.
import { setTimeout as sleep } from 'node:timers/promises'
import { PriceClients, type PriceClientsOptions } from '../support/price-clients.ts'

export interface JoinsLoad extends PriceClientsOptions {
  readonly joins: number
  readonly joinMs: number
  /** How much longer it waits for those who have no price yet. */
  readonly graceMs: number
  readonly durationMs: number
}

export interface JoinsFigures {
  /** From when each was due to join until it had its first price, of those who got one. */
  readonly tookMs: readonly number[]
  readonly unserved: number
}

const load = JSON.parse(process.argv[2] ?? '{}') as JoinsLoad
const clients = new PriceClients(load)
const startedMs = performance.now()
const tookMs: number[] = []

for (let join = 0; join < load.joins; join++) {
  const dueMs = startedMs + (load.joinMs * join) / load.joins
  await sleep(Math.max(0, dueMs - performance.now()))
  clients.open((socket) => {
    tookMs.push(performance.now() - dueMs)
    socket.destroy()
  })
}
const byMs = performance.now() + load.graceMs
while (tookMs.length < load.joins && performance.now() < byMs) await sleep(10)
const figures: JoinsFigures = { tookMs, unserved: load.joins - tookMs.length }
process.stdout.write(JSON.stringify(figures), () => process.exit(0))
