import type { FanOutFigures, FanOutLoad } from '../loads/fan-out.ts'
import { settledMemory } from './inspector.ts'
import { root as ownRoot, quiet } from './machine.ts'
import { runLoad, type ServerName, startServer } from './processes.ts'
import { fixed, whole } from './table.ts'

export type FanOutOptions = Pick<FanOutLoad, 'symbols' | 'ticksPerSecond' | 'connections'> &
  Partial<Pick<FanOutLoad, 'stalled' | 'joinMs' | 'settleMs' | 'measureMs'>>

export interface FanOutRun {
  readonly name: ServerName
  readonly options: FanOutOptions
  readonly figures: FanOutFigures
  /** Why the server died; null: it lived. */
  readonly death: string | null
  /** Resident memory per connection, beyond that of the process before the first; null: not measured. */
  readonly bytesPerConnection: number | null
}

/** A raw loop writes the same message to all, so all need the same id. */
const knowsOneId: ReadonlySet<ServerName> = new Set(['ws.send', 'ws, batches of frames'])

/**
 * Runs one load on a server started for it, because the tick rate is a setting. `isWeighed`: measures memory too, which
 * needs an inspector. `root`: where the sources of Finstage are. Throws if Finstage dies.
 */
export async function runFanOut(
  name: ServerName,
  options: FanOutOptions,
  directory: string,
  { isWeighed = false, root = ownRoot } = {},
): Promise<FanOutRun> {
  const nodeArgs = isWeighed ? ['--inspect=127.0.0.1:0'] : []
  const server = await startServer(name, options.ticksPerSecond, directory, {}, nodeArgs, root)
  try {
    const idleBytes = server.inspector === null ? null : (await settledMemory(server.inspector, server.pid)).rss
    await quiet()
    const timed = { stalled: 0, joinMs: 1000, settleMs: 2000, measureMs: 3000, ...options }
    const figures = await runLoad<FanOutLoad, FanOutFigures>('fan-out.ts', {
      url: server.url,
      serverPid: server.pid,
      inspector: server.inspector,
      sharesId: knowsOneId.has(name),
      ...timed,
      // Allow for a server that takes long to serve all.
      durationMs: 60_000 + 2 * timed.joinMs + timed.settleMs + timed.measureMs,
    })
    const death = server.death()
    if (death !== null && name === 'Finstage') throw new Error(`Finstage died: ${death}`)
    const { residentBytes } = figures
    const grown = idleBytes === null || residentBytes === null ? null : residentBytes - idleBytes
    return {
      name,
      options,
      figures,
      death,
      bytesPerConnection: grown === null ? null : grown / options.connections,
    }
  } finally {
    await server.stop()
  }
}

/**
 * 98 % of the due messages came, no number is missing, and p99 is within a second of publishing and of the due time.
 */
export function isSustained({ options, figures, death }: FanOutRun): boolean {
  const { deliveries, seconds, p99Ms, behindP99Ms, missing, lost } = figures
  const due = options.ticksPerSecond * options.connections * seconds
  const isInTime = p99Ms < 1000 && behindP99Ms < 1000
  return deliveries >= 0.98 * due && isInTime && missing === 0 && lost === 0 && death === null
}

/** Microseconds of the server's CPU time per delivery. */
export const costOf = ({ figures: { cpu, seconds, deliveries } }: FanOutRun): number =>
  (1e6 * cpu.server * seconds) / deliveries

export function described({ name, options, figures, bytesPerConnection }: FanOutRun): string {
  const { joinedMs, deliveries, seconds, p50Ms, p99Ms, behindP99Ms, missing, lost, cpu, perWrite } = figures
  const parts = [
    `${name}, ${fixed(options.ticksPerSecond, 1)} updates/s: ${whole(deliveries / seconds)} deliveries/s`,
    `p50 ${fixed(p50Ms, 1)} ms, p99 ${fixed(p99Ms, 1)} ms, behind ${fixed(behindP99Ms, 0)} ms`,
    `missing ${missing}, lost ${lost}, joined after ${whole(joinedMs)} ms, ${fixed(perWrite, 1)} a write`,
    `CPU server ${fixed(cpu.server, 2)} client ${fixed(cpu.client, 2)} others ${fixed(cpu.others, 2)}`,
    ...(bytesPerConnection === null ? [] : [`${fixed(bytesPerConnection / 1024, 1)} KiB a connection`]),
  ]
  return parts.join(', ')
}
