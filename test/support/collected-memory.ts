import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The memory of this process once its garbage is collected. */
export async function collectedMemory(): Promise<NodeJS.MemoryUsage> {
  // Twice: objects that finalizers release are garbage only the second time.
  for (let time = 0; time < 2; time++) {
    collectGarbage()
    await sleep(50)
  }
  return process.memoryUsage()
}
