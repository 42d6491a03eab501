import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const root = join(import.meta.dirname, '../..')

/** Shares of one core: 0.5 is half a core. */
export interface CpuShares {
  readonly server: number
  /** The load client. */
  readonly client: number
  /** Everything else on this machine, which spoils a figure. */
  readonly others: number
}

/** Linux reports CPU time to programs in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100

/** CPU time of a process and all of its threads, in seconds; NaN without /proc or the process. */
const cpuSeconds = (pid: number): number => spentSeconds(pid, 2)

/**
 * CPU time of a process and all that descend from it, those that have ended included, in milliseconds; NaN without
 * /proc.
 */
export function familyCpuMs(pid: number): number {
  let sumMs = 1000 * spentSeconds(pid, 4)
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      // One that ends meanwhile counts with its parent from then on.
      for (const child of children.split(' ')) if (child !== '') sumMs += familyCpuMs(Number(child)) || 0
    }
  } catch {
    // It has ended, or one of its threads.
  }
  return sumMs
}

/** `fields`: 2 for utime and stime, 4 for those of children that have ended, too. */
function spentSeconds(pid: number, fields: 2 | 4): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before the bracket may contain spaces and brackets. utime is field 14 of the whole line.
    const times = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 11 + fields)
    return times.reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond
  } catch {
    return Number.NaN
  }
}

/** How often a process has called write or writev, also on sockets; NaN if unknown. */
export function writeCalls(pid: number): number {
  try {
    return Number(/^syscw: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])
  } catch {
    return Number.NaN
  }
}

/** Time that all cores together were busy, or stolen by another guest of the same host. */
function busySeconds(): number {
  try {
    const [, user, nice, system, , , irq, softirq, steal] =
      readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/).map(Number) ?? []
    const parts = [user, nice, system, irq, softirq, steal]
    return parts.reduce<number>((sum, part) => sum + (part ?? 0), 0) / ticksPerSecond
  } catch {
    return Number.NaN
  }
}

/** Call in the load client; the returned function returns the CPU used since. */
export function watchCpu(serverPid: number): () => CpuShares {
  const sample = () => ({
    atMs: performance.now(),
    server: cpuSeconds(serverPid),
    client: cpuSeconds(process.pid),
    busy: busySeconds(),
  })
  const before = sample()
  return () => {
    const after = sample()
    const seconds = (after.atMs - before.atMs) / 1000
    const server = (after.server - before.server) / seconds
    const client = (after.client - before.client) / seconds
    const others = Math.max(0, (after.busy - before.busy) / seconds - server - client)
    return { server, client, others }
  }
}

/** If others use this much of a core, a measurement proves little. */
export const tooBusy = 0.15
const lookMs = 300
/** How much longer this run may wait for a quiet machine, in all. */
let patienceMs = 20_000

/** Waits until nothing else keeps this machine busy, including the remains of the last measurement. */
export async function quiet(): Promise<void> {
  for (;;) {
    const startedMs = performance.now()
    const before = busySeconds()
    await sleep(lookMs)
    const share = (1000 * (busySeconds() - before)) / (performance.now() - startedMs)
    if (!(share >= tooBusy) || patienceMs <= 0) return
    patienceMs -= lookMs
  }
}

const canPin = (core: number): boolean => spawnSync('taskset', ['-c', String(core), 'true']).status === 0

/** Whether servers get core 0 and load clients core 1 to themselves. */
export const pinned = availableParallelism() >= 2 && canPin(0) && canPin(1)

/** The command and arguments that run Node on a core; null: on any core. */
export function nodeOn(core: 0 | 1 | null, args: readonly string[]): [string, string[]] {
  return pinned && core !== null
    ? ['taskset', ['-c', String(core), process.execPath, ...args]]
    : [process.execPath, [...args]]
}

function versionOf(name: string): string {
  const manifest = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')
  return `${name} ${(JSON.parse(manifest) as { version: string }).version}`
}

export function machineFacts(): string {
  const packages = ['graphql', 'graphql-yoga', 'graphql-ws', 'ws'].map(versionOf)
  const cores = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`
  const pinning = pinned
    ? 'servers pinned to core 0, load clients to core 1'
    : 'not pinned (no taskset, or no two cores): servers and load clients share the cores'
  return [
    `* ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${process.platform} ${release()}, ${cores}`,
    `* ${packages.join(', ')}`,
    `* ${pinning}; all traffic on 127.0.0.1`,
  ].join('\n')
}

/** Whose core was full, that is, busy enough that bursts had to wait. */
export function boundBy({ server, client }: Pick<CpuShares, 'server' | 'client'>): string {
  const full = 0.8
  if (server >= full && client >= full) return 'both'
  if (server >= full) return 'server'
  return client >= full ? 'load client' : 'neither'
}
