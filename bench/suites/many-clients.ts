import { readFileSync } from 'node:fs'
import { simulatedInstruments } from '../../src/market/simulated/instruments/instruments.ts'
import { described, type FanOutOptions, type FanOutRun, runFanOut } from '../support/fan-out-run.ts'
import { tooBusy } from '../support/machine.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const names = ['Finstage', 'ws.send'] as const
const symbols = [...simulatedInstruments(100, 1).keys()]
/** Files that a server has open besides its clients (its database, its files, the inspector), with some to spare. */
const spareFiles = 150
/** How many rounds are repeated, in all, because others kept the machine busy. */
const mostRetries = 3

/** 10,000 clients over 100 symbols that tick once a second: the delay of a price, and the memory of a client. */
export async function measureManyClients(directory: string, progress: (text: string) => void): Promise<string> {
  const options = { symbols, ticksPerSecond: 1, connections: 10_000, joinMs: 10_000, settleMs: 4000, measureMs: 6000 }
  const rounds = 3
  return [
    '## Ten thousand clients',
    '',
    `${whole(options.connections)} clients over ${symbols.length} symbols, ${options.ticksPerSecond} update a second each. Medians of ${rounds} rounds in turns.`,
    '',
    await compare(options, rounds, directory, progress),
  ].join('\n')
}

/** As many clients as the server is allowed to have files open. */
export async function measureIdleClients(directory: string, progress: (text: string) => void): Promise<string> {
  const most = mostOpenFiles()
  const connections = most - spareFiles
  const options = { symbols, ticksPerSecond: 0.1, connections, joinMs: 20_000, settleMs: 10_000, measureMs: 10_000 }
  return [
    '## As many clients as there may be files',
    '',
    `A process may have ${whole(most)} files open here: ${whole(connections)} clients over ${symbols.length} symbols, each with an update in ten seconds.`,
    '',
    await compare(options, 1, directory, progress),
  ].join('\n')
}

async function compare(
  options: FanOutOptions,
  rounds: number,
  directory: string,
  progress: (text: string) => void,
): Promise<string> {
  const runs: Record<(typeof names)[number], FanOutRun[]> = { Finstage: [], 'ws.send': [] }
  let retriesLeft = mostRetries
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      let run = await runFanOut(name, options, directory, { isWeighed: true })
      progress(`${options.connections} clients: ${described(run)}`)
      while (run.figures.cpu.others >= tooBusy && retriesLeft-- > 0) {
        run = await runFanOut(name, options, directory, { isWeighed: true })
        progress(`again, ${options.connections} clients: ${described(run)}`)
      }
      runs[name].push(run)
    }
  }
  const memory = (name: (typeof names)[number]): number =>
    median(runs[name].map(({ bytesPerConnection }) => bytesPerConnection ?? Number.NaN))
  return table(
    head,
    names.map((name) => row(name, runs[name], memory(name), memory(name) / memory('ws.send'))),
  )
}

const head = [
  ...['server', 'all served after s', 'lost', 'deliveries, of those due', 'missing', 'p50 ms', 'p99 ms'],
  ...['KiB a connection', '÷ ws.send', 'server CPU', 'client CPU', 'others’ CPU, most'],
]

function row(name: string, runs: readonly FanOutRun[], bytes: number, ratio: number): string[] {
  const of = (pick: (run: FanOutRun) => number): number => median(runs.map(pick))
  const due = ({ options: { connections, ticksPerSecond }, figures: { seconds } }: FanOutRun): number =>
    connections * ticksPerSecond * seconds
  return [
    name,
    fixed(of(({ figures }) => figures.joinedMs) / 1000, 1),
    whole(Math.max(...runs.map(({ figures }) => figures.lost))),
    fixed(
      of((run) => run.figures.deliveries / due(run)),
      2,
    ),
    whole(Math.max(...runs.map(({ figures }) => figures.missing))),
    fixed(
      of(({ figures }) => figures.p50Ms),
      1,
    ),
    fixed(
      of(({ figures }) => figures.p99Ms),
      1,
    ),
    fixed(bytes / 1024, 1),
    fixed(ratio, 2),
    fixed(
      of(({ figures }) => figures.cpu.server),
      2,
    ),
    fixed(
      of(({ figures }) => figures.cpu.client),
      2,
    ),
    fixed(Math.max(...runs.map(({ figures }) => figures.cpu.others)), 2),
  ]
}

/** The limit that a child process inherits. */
function mostOpenFiles(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1])
}
