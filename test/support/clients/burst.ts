import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Answer, inTime } from './client.ts'

const client = fileURLToPath(new URL('burst-client.ts', import.meta.url))
const deadlineMs = 15_000

/**
 * All at once, from a process of its own, at a server in this one: nothing is served before all of it has been sent, however slow
 * the machine is.
 */
export async function burst<Data>(api: string, queries: readonly string[]): Promise<Answer<Data>[]> {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-burst-'))
  const sent = join(directory, 'sent')
  const child = spawn(process.execPath, [client, api, sent, JSON.stringify(queries)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let out = ''
  const isConnected = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      out += chunk
      resolve()
    })
  })
  const exited = once(child, 'close')
  try {
    await inTime(isConnected, 'that all are connected')
    child.stdin.end('send')
    // The event loop stands still meanwhile.
    const endMs = performance.now() + deadlineMs
    const pause = new Int32Array(new SharedArrayBuffer(4))
    // What was written to the pipe above is on its way already.
    while (!existsSync(sent)) {
      if (performance.now() > endMs) throw new Error('the burst was not sent in time')
      Atomics.wait(pause, 0, 0, 5)
    }
    await inTime(exited, 'the answers')
  } finally {
    child.kill()
    rmSync(directory, { recursive: true, force: true })
  }
  return JSON.parse(out.slice(out.indexOf('\n')))
}
