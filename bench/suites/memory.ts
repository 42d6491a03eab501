import { setTimeout as sleep } from 'node:timers/promises'
import type { ChurnFigures, ChurnLoad } from '../loads/churn.ts'
import { type Memory, settledMemory } from '../support/inspector.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'

const minutes = 20
const quickMinutes = 3
/** By this share of the time the bounded caches are full. */
const filledAfter = 0.25
const market = 2000

/** Whether memory keeps growing while symbols, subscriptions, sockets and documents come and go. */
export async function measureMemory(
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const length = isQuick ? quickMinutes : minutes
  const server = await startServer('Finstage', 1, directory, { SIMULATED_SYMBOLS: String(market) }, [
    '--inspect=127.0.0.1:0',
  ])
  const options: ChurnLoad = {
    url: server.url,
    market,
    symbols: 1900,
    durationMs: length * 60_000,
    sockets: 100,
    subscriptionsPerSocket: 20,
    changesPerSecond: 200,
  }
  const churn = runLoad<ChurnLoad, ChurnFigures>('churn.ts', options)
  const looks: Memory[] = []
  const watched = watch(server.inspector ?? '', server.pid, length, (memory) => {
    looks.push(memory)
    progress(`memory, minute ${looks.length}: ${cells(memory).join(' / ')} MB (${head.slice(1).join(' / ')})`)
  })
  const [figures] = await Promise.all([churn, watched])
  await server.stop()
  const first = Math.max(1, Math.round(filledAfter * length))
  const shown = looks.flatMap((memory, i) =>
    i + 1 === first || i + 1 === length || (i + 1) % 5 === 0 ? [[`minute ${i + 1}`, ...cells(memory)]] : [],
  )
  const [before, after] = [looks[first - 1], looks[length - 1]]
  const ratio = (of: (memory: Memory) => number): string =>
    fixed(after && before ? of(after) / of(before) : Number.NaN, 2)
  return [
    '## Memory while clients come and go',
    '',
    `${options.sockets} sockets with ${options.subscriptionsPerSocket} subscriptions each over ${whole(options.symbols)} symbols that tick once a second; ${options.changesPerSecond} of them change in a second, a tenth as many queries, a hundredth as many sockets:`,
    `${whole(figures.subscriptions)} subscriptions, ${whole(figures.sockets)} sockets and ${whole(figures.queries)} queries in ${length} minutes, ${whole(figures.updates)} updates; ${whole(figures.refused)} subscriptions could not be begun. After garbage was collected, in MB.`,
    '',
    table(head, [
      ...shown,
      [`minute ${length} ÷ minute ${first}`, ...[external, arrayBuffers, heap, resident].map(ratio)],
    ]),
  ].join('\n')
}

const head = ['', 'external', 'array buffers', 'heap', 'resident']
const external = (memory: Memory): number => memory.external
const arrayBuffers = (memory: Memory): number => memory.arrayBuffers
const heap = (memory: Memory): number => memory.heapUsed
const resident = (memory: Memory): number => memory.rss

const cells = (memory: Memory): string[] =>
  [external, arrayBuffers, heap, resident].map((of) => whole(of(memory) / 1e6))

async function watch(inspector: string, pid: number, length: number, look: (memory: Memory) => void): Promise<void> {
  const startedMs = performance.now()
  for (let minute = 1; minute <= length; minute++) {
    // Slightly early, so that the server is still under load at the last look.
    const dueMs = startedMs + 60_000 * minute - (minute === length ? 3000 : 0)
    await sleep(Math.max(0, dueMs - performance.now()))
    look(await settledMemory(inspector, pid))
  }
}
