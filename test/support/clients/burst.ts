import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Answer, inTime } from './client.ts'

const client = fileURLToPath(new URL('burst-client.ts', import.meta.url))
const deadlineMs = 15_000

const portions = 5

/**
 * All at once, from a process of its own, at a server in this one. They come in portions, as a socket takes them; between these the
 * event loop is never idle, however slow the machine is.
 */
export async function burst<Data>(api: string, queries: readonly string[]): Promise<Answer<Data>[]> {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-burst-'))
  const child = spawn(process.execPath, [client, api, directory, String(portions), JSON.stringify(queries)], {
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
    for (let portion = 0; portion < portions; portion++) {
      child.stdin.write('send')
      standStillUntil(join(directory, String(portion)))
      await nextTurn()
    }
    child.stdin.end()
    await inTime(exited, 'the answers')
  } finally {
    child.kill()
    rmSync(directory, { recursive: true, force: true })
  }
  return JSON.parse(out.slice(out.indexOf('\n')))
}

/** Keeps the event loop of this process busy until a file is there. */
function standStillUntil(file: string): void {
  const endMs = performance.now() + deadlineMs
  const pause = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync(file)) {
    if (performance.now() > endMs) throw new Error('the burst was not sent in time')
    Atomics.wait(pause, 0, 0, 1)
  }
}
