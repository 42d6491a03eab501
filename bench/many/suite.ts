import { simulatedInstruments } from '../../src/market/simulated/instruments/instruments.ts'
import { described, type FanOutRun, isSustained as isFanOutSustained, runFanOut } from '../support/fan-out-run.ts'
import { settledMemory } from '../support/inspector.ts'
import { boundBy, quiet } from '../support/machine.ts'
import { runLoad, type ServerName, startServer } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'
import { measureBesideFanOut, measureBesideStreams, type Quotes } from './beside.ts'
import type { ManyFigures, ManyLoad } from './load.ts'

const symbols = [...simulatedInstruments(1000, 1).keys()]
const symbolsPerClient = 100
const longestP99Ms = 300

const selections = [
  'symbol seq publishedAt price',
  'symbol seq publishedAt price change',
  'symbol seq publishedAt price kind stale',
  'symbol seq publishedAt kind price change stale',
  'symbol seq publishedAt last: price',
]

interface Size {
  readonly clients: number
  /** Of each symbol. */
  readonly ticksPerSecond: number
}

/** From 400,000 updates a second up, until one is not sustained. */
const sizes: readonly Size[] = [0.4, 0.6, 0.8, 1, 1.2].map((ticksPerSecond) => ({ clients: 10_000, ticksPerSecond }))
const yogaSizes: readonly Size[] = [
  [100, 1],
  [200, 1],
  [300, 1],
  [400, 1],
].map(([clients, ticksPerSecond]) => ({ clients, ticksPerSecond }) as Size)

interface Run extends Size {
  readonly name: ServerName
  readonly figures: ManyFigures
  readonly death: string | null
  /** Resident memory for each seat, beyond that of the process before the first. */
  readonly bytesPerSeat: number
}

/** Many symbols for each of many clients, in several documents; many clients of one symbol each; and others beside them. */
export async function measureManyDocuments(
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const measureMs = isQuick ? 4000 : 10_000
  const rows: string[][] = []
  for (const [name, all, quickly] of [
    ['Finstage', sizes, { clients: 1000, ticksPerSecond: 1 }],
    ['stock Yoga', yogaSizes, { clients: 100, ticksPerSecond: 1 }],
  ] as const) {
    for (const size of isQuick ? [quickly] : all) {
      const run = await runMany(name, size, directory, measureMs)
      progress(`many documents: ${isSustained(run) ? '' : 'NOT '}sustained: ${describedRun(run)}`)
      rows.push(rowOf(run))
      if (!isSustained(run)) break
    }
  }
  return [
    '## Many documents',
    '',
    `Each client has ${symbolsPerClient} random symbols of ${whole(symbols.length)} in one subscription, in one of ${selections.length} documents. Sustained: 98 % of what is due arrives, no`,
    `client is lost, no number is left out, no seat is stuck, and p99 stays under ${longestP99Ms} ms.`,
    '',
    table(head, rows),
    '',
    await measureCrowd(directory, progress, isQuick),
    '',
    await measureOthers(directory, progress, isQuick),
  ].join('\n')
}

async function measureCrowd(directory: string, progress: (text: string) => void, isQuick: boolean): Promise<string> {
  const connections = isQuick ? 1000 : 16_000
  const pace = { ticksPerSecond: 2.5, joinMs: isQuick ? 2000 : 20_000, measureMs: isQuick ? 4000 : 10_000 }
  const run = await runFanOut('Finstage', { symbols: symbols.slice(0, 100), connections, ...pace }, directory)
  progress(`many documents, one symbol each: ${described(run)}`)
  const { deliveries, seconds, p50Ms, p99Ms, missing, lost, cpu } = run.figures
  return [
    `${whole(connections)} clients of one symbol each of 100, ${pace.ticksPerSecond} updates a second: ${whole(deliveries / seconds)} deliveries/s, p50 ${fixed(p50Ms, 1)} ms,`,
    `p99 ${fixed(p99Ms, 1)} ms, ${missing} left out, ${lost} lost, server ${fixed(cpu.server, 2)}, load client ${fixed(cpu.client, 2)}, others ${fixed(cpu.others, 2)} of a core.`,
  ].join('\n')
}

/** The highest rate of one symbol for a thousand clients, to a tenth. */
async function highestRate(directory: string, progress: (text: string) => void): Promise<number> {
  for (let ticksPerSecond = 4000; ; ticksPerSecond *= 0.9) {
    const run: FanOutRun = await runFanOut(
      'Finstage',
      { symbols: ['AAPL'], connections: 1000, ticksPerSecond, measureMs: 3000 },
      directory,
    )
    progress(`many documents, the highest rate: ${described(run)}`)
    if (isFanOutSustained(run)) return ticksPerSecond
  }
}

/** How long others wait: those who join, and quotes. */
async function measureOthers(directory: string, progress: (text: string) => void, isQuick: boolean): Promise<string> {
  const ticksPerSecond = isQuick ? 200 : 0.9 * (await highestRate(directory, progress))
  const { joinedMs, quotes, fanOut } = await measureBesideFanOut(ticksPerSecond, directory)
  const { idle, beside, streams } = await measureBesideStreams(symbols, directory)
  return [
    `Beside ${whole(ticksPerSecond)} updates a second of one symbol for 1,000 clients${isQuick ? '' : ', 0.9 of the highest rate'}: 1,000 more clients are served after`,
    `${whole(joinedMs)} ms, quotes take ${shown(quotes)}; server ${fixed(fanOut.cpu.server, 2)} of a core, others ${fixed(fanOut.cpu.others, 2)}.`,
    '',
    `Beside 100 streams over SSE of 90 symbols, ${whole(streams.eventsPerSecond)} events a second in all: quotes take ${shown(beside)}, idle`,
    `${shown(idle)}; server ${fixed(streams.serverCpu, 2)} of a core.`,
  ].join('\n')
}

const shown = ({ p50Ms, p99Ms }: Quotes): string => `p50 ${fixed(p50Ms, 1)} ms, p99 ${fixed(p99Ms, 1)} ms`

async function runMany(name: ServerName, size: Size, directory: string, measureMs: number): Promise<Run> {
  const { clients, ticksPerSecond } = size
  const environment = { SIMULATED_SYMBOLS: String(symbols.length) }
  const server = await startServer(name, ticksPerSecond, directory, environment, ['--inspect=127.0.0.1:0'])
  try {
    const idle = server.inspector === null ? null : await settledMemory(server.inspector, server.pid)
    await quiet()
    const joinMs = 2 * clients + 1000
    const settleMs = 5000
    const figures = await runLoad<ManyLoad, ManyFigures>('../many/load.ts', {
      url: server.url,
      serverPid: server.pid,
      ...{ clients, symbols, symbolsPerClient, selections, ticksPerSecond, joinMs, settleMs, measureMs },
      symbolType: name === 'Finstage' ? 'Symbol' : 'String',
      inspector: server.inspector,
      durationMs: 60_000 + joinMs + settleMs + measureMs,
    })
    const death = server.death()
    if (death !== null && name === 'Finstage') throw new Error(`Finstage died: ${death}`)
    const grown = (figures.residentBytes ?? Number.NaN) - (idle?.rss ?? Number.NaN)
    return { name, ...size, figures, death, bytesPerSeat: grown / (clients * symbolsPerClient) }
  } finally {
    await server.stop()
  }
}

const shareOfDue = ({ clients, ticksPerSecond, figures: { deliveries, seconds } }: Run): number =>
  deliveries / (clients * symbolsPerClient * ticksPerSecond * seconds)

function isSustained(run: Run): boolean {
  const { p99Ms, leftOut, stuck, lost } = run.figures
  const isWhole = leftOut === 0 && stuck === 0 && lost === 0 && run.death === null
  return isWhole && shareOfDue(run) >= 0.98 && p99Ms < longestP99Ms
}

const costOf = ({ figures: { cpu, seconds, deliveries } }: Run): number => (1e6 * cpu.server * seconds) / deliveries

function describedRun(run: Run): string {
  const { figures } = run
  const { cpu } = figures
  return [
    `${run.name}, ${whole(run.clients)} clients, ${run.ticksPerSecond} updates/s of a symbol: ${whole(figures.deliveries / figures.seconds)} deliveries/s (${fixed(shareOfDue(run), 3)} of due)`,
    `p50 ${fixed(figures.p50Ms, 1)} ms, p99 ${fixed(figures.p99Ms, 1)} ms, behind ${fixed(figures.behindP99Ms, 0)} ms`,
    `left out ${figures.leftOut}, stuck ${figures.stuck}, lost ${figures.lost}, joined after ${whole(figures.joinedMs)} ms`,
    `${fixed(figures.perWrite, 1)} a write, ${fixed(costOf(run), 2)} µs`,
    `CPU server ${fixed(cpu.server, 2)} client ${fixed(cpu.client, 2)} others ${fixed(cpu.others, 2)}, ${whole(run.bytesPerSeat)} bytes a seat`,
  ].join(', ')
}

const head = [
  ...['server', 'clients', 'updates/s of a symbol', 'deliveries/s', 'of those due', 'p50 ms', 'p99 ms'],
  ...['p99 behind due ms', 'left out', 'stuck', 'lost', 'server µs CPU/delivery', 'messages a write'],
  ...['bytes a seat', 'server CPU', 'client CPU', 'others’ CPU', 'bound by'],
]

function rowOf(run: Run): string[] {
  const { figures } = run
  return [
    run.name,
    whole(run.clients),
    String(run.ticksPerSecond),
    whole(figures.deliveries / figures.seconds),
    fixed(shareOfDue(run), 3),
    fixed(figures.p50Ms, 1),
    fixed(figures.p99Ms, 1),
    fixed(figures.behindP99Ms, 0),
    whole(figures.leftOut),
    whole(figures.stuck),
    whole(figures.lost),
    fixed(costOf(run), 2),
    fixed(figures.perWrite, 1),
    whole(run.bytesPerSeat),
    fixed(figures.cpu.server, 2),
    fixed(figures.cpu.client, 2),
    fixed(figures.cpu.others, 2),
    boundBy(figures.cpu),
  ]
}
