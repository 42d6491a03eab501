import { described, type FanOutRun, runFanOut } from '../support/fan-out-run.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const readers = 800
const stalled = 200
const ticksPerSecond = 500
const rounds = 3
/** Long enough for the stalled readers to fill their buffers, and before the server cuts them off 30 s after that. */
const settleMs = 10_000
const measureMs = 5000

/** What readers that stopped reading cost the others. */
export async function measureStalledReaders(directory: string, progress: (text: string) => void): Promise<string> {
  const alone: FanOutRun[] = []
  const beside: FanOutRun[] = []
  const options = { symbols: ['AAPL'], ticksPerSecond, connections: readers, settleMs, measureMs }
  for (let round = 1; round <= rounds; round++) {
    for (const [runs, count] of [[alone, 0] as const, [beside, stalled] as const]) {
      const run = await runFanOut('Finstage', { ...options, stalled: count }, directory)
      progress(`stalled readers: ${count} beside ${described(run)}, held up ${run.figures.stalled}`)
      runs.push(run)
    }
  }
  return [
    '## Readers that stop reading',
    '',
    `${readers} clients that read, at ${ticksPerSecond} updates/s of one symbol, by themselves and beside ${stalled} more that have stopped reading.`,
    `Medians of ${rounds} rounds in turns.`,
    '',
    table(head, [row('by themselves', alone, alone), row(`beside ${stalled} that do not read`, beside, alone)]),
  ].join('\n')
}

const head = [
  ...['readers', 'deliveries/s', 'missing', 'p50 ms', 'p99 ms', 'p99 ÷ by themselves', 'server CPU', 'client CPU'],
  ...['others’ CPU, most', 'held up, of those that do not read'],
]

function row(name: string, runs: readonly FanOutRun[], alone: readonly FanOutRun[]): string[] {
  const of = (pick: (figures: FanOutRun['figures']) => number, of = runs): number =>
    median(of.map(({ figures }) => pick(figures)))
  const p99 = (figures: FanOutRun['figures']): number => figures.p99Ms
  return [
    name,
    whole(of(({ deliveries, seconds }) => deliveries / seconds)),
    whole(Math.max(...runs.map(({ figures }) => figures.missing))),
    ...[of(({ p50Ms }) => p50Ms), of(p99)].map((value) => fixed(value, 1)),
    ...[of(p99) / of(p99, alone), of(({ cpu }) => cpu.server), of(({ cpu }) => cpu.client)].map((value) =>
      fixed(value, 2),
    ),
    fixed(Math.max(...runs.map(({ figures }) => figures.cpu.others)), 2),
    whole(Math.min(...runs.map(({ figures }) => figures.stalled))),
  ]
}
