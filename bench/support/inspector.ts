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
  const socket = new WebSocket(inspector)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error(`no inspector at ${inspector}`))
  })
  const ask = (id: number, method: string, params = {}): Promise<string> => {
    const answered = new Promise<string>((resolve) => {
      socket.onmessage = ({ data }) => resolve(String(data))
    })
    socket.send(JSON.stringify({ id, method, params }))
    return answered
  }
  // Twice: what finalizers release becomes garbage for the second collection.
  for (let id = 1; id <= 2; id++) {
    await ask(id, 'HeapProfiler.collectGarbage')
    await sleep(200)
  }
  const expression = 'JSON.stringify(process.memoryUsage())'
  const answer = await ask(3, 'Runtime.evaluate', { expression })
  socket.close()
  const { result } = JSON.parse(answer) as { result: { result: { value: string } } }
  return { ...(JSON.parse(result.result.value) as Memory), rss: residentBytes(pid) }
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}
