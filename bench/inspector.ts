import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Resident memory of a Node process after its garbage was collected, in bytes. `inspector`: the address that --inspect gave it. */
export async function settledMemory(inspector: string, pid: number): Promise<number> {
  const socket = new WebSocket(inspector)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error(`no inspector at ${inspector}`))
  })
  // Twice: what finalizers let go of is garbage the second time.
  for (let id = 1; id <= 2; id++) {
    const answered = new Promise((resolve) => {
      socket.onmessage = resolve
    })
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
    await answered
    await sleep(200)
  }
  socket.close()
  return residentBytes(pid)
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}
