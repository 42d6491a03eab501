import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Memory {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
}

/** Memory of a Node process after garbage collection, in bytes. `inspector`: the address that --inspect printed. */
export async function settledMemory(inspector: string, pid: number): Promise<Memory> {
  return inspecting(inspector, async (ask) => {
    // Twice: what finalizers release becomes garbage for the second collection.
    for (let times = 0; times < 2; times++) {
      await ask('HeapProfiler.collectGarbage')
      await sleep(200)
    }
    const memory = await evaluated(ask, 'JSON.stringify(process.memoryUsage())')
    return { ...(JSON.parse(memory) as Memory), rss: residentBytes(pid) }
  })
}

/** A pause for garbage collection: when it began, in epoch milliseconds, and its length. */
export type Collection = readonly [startedMs: number, tookMs: number]

/** From now on the process remembers its collections. */
export async function watchCollections(inspector: string): Promise<void> {
  const observe = `globalThis.collections = []
    const { PerformanceObserver } = process.getBuiltinModule('node:perf_hooks')
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        globalThis.collections.push([performance.timeOrigin + startTime, duration])
      }
    }).observe({ entryTypes: ['gc'] })`
  await inspecting(inspector, (ask) => evaluated(ask, `{ ${observe} } ''`))
}

/** Those since the last call. */
export async function collectionsOf(inspector: string): Promise<readonly Collection[]> {
  const taken = await inspecting(inspector, (ask) => evaluated(ask, 'JSON.stringify(globalThis.collections.splice(0))'))
  return JSON.parse(taken) as Collection[]
}

/** For how much of [from, to] the process collected garbage. */
export const pausedMs = (collections: readonly Collection[], from: number, to: number): number =>
  collections.reduce(
    (sum, [startedMs, tookMs]) => sum + Math.max(0, Math.min(to, startedMs + tookMs) - Math.max(from, startedMs)),
    0,
  )

type Ask = (method: string, params?: object) => Promise<string>

async function inspecting<T>(inspector: string, work: (ask: Ask) => Promise<T>): Promise<T> {
  const socket = new WebSocket(inspector)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error(`no inspector at ${inspector}`))
  })
  let id = 0
  try {
    return await work((method, params = {}) => {
      const answered = new Promise<string>((resolve) => {
        socket.onmessage = ({ data }) => resolve(String(data))
      })
      socket.send(JSON.stringify({ id: ++id, method, params }))
      return answered
    })
  } finally {
    socket.close()
  }
}

async function evaluated(ask: Ask, expression: string): Promise<string> {
  const { result } = JSON.parse(await ask('Runtime.evaluate', { expression })) as {
    result: { result: { value: string } }
  }
  return result.result.value
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}
