import { costOf, described, type FanOutRun, isSustained, runFanOut } from '../support/fan-out-run.ts'
import { boundBy, tooBusy } from '../support/machine.ts'
import { isInstalled, type ServerName } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const clients = 1000
const rounds = 3
/** More rounds than for the other tables: the two servers are nearly equal. */
const singleRounds = 7
const growth = 1.5
/** The search ends when the lowest failed rate is within this factor of the highest sustained one. */
const nearEnough = 1.08
/** The maximum of the simulated market. */
const mostTicksPerSecond = 5000
/** How many failed probes of a server are repeated, in all, because others kept the machine busy. */
const mostRetries = 4
/** This far below the raw loop's own highest rate, every server writes each update by itself. */
const singleShare = 0.4

interface Contender {
  readonly name: ServerName
  /** The rate at which the search starts. */
  readonly first: number
  /** The highest rate that was sustained, and the lowest that was not, in updates a second. */
  held: number
  failed: number
  retriesLeft: number
  /** The cause of each death. */
  readonly deaths: string[]
  /** For each round the first sustained run, going down from the rate found. */
  readonly confirmed: FanOutRun[]
}

const enter = (name: ServerName, first: number): Contender => ({
  name,
  first,
  held: 0,
  failed: Number.POSITIVE_INFINITY,
  retriesLeft: mostRetries,
  deaths: [],
  confirmed: [],
})

/** One symbol: the most updates a second that each server delivers to a thousand clients; then one update a write. */
export async function measureFanOut(directory: string, progress: (text: string) => void): Promise<string> {
  const contenders = [
    enter('Finstage', 1000),
    enter('ws, batches of frames', 1500),
    enter('ws.send', 60),
    enter('stock Yoga', 20),
    ...(isInstalled('Mercurius') ? [enter('Mercurius', 20)] : []),
  ]

  async function probe(contender: Contender, ticksPerSecond: number): Promise<FanOutRun> {
    for (;;) {
      const run = await runFanOut(contender.name, { ...plain, ticksPerSecond }, directory)
      const sustained = isSustained(run)
      progress(`fan-out: ${sustained ? '' : 'NOT '}sustained: ${described(run)}`)
      if (run.death !== null) contender.deaths.push(run.death)
      if (sustained || !(run.figures.cpu.others >= tooBusy) || contender.retriesLeft === 0) return run
      contender.retriesLeft -= 1
    }
  }

  while (contenders.some(isSearching)) {
    for (const each of contenders.filter(isSearching)) {
      const rate = next(each)
      if (isSustained(await probe(each, rate))) each.held = rate
      else each.failed = rate
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const each of contenders) {
      let run = await probe(each, each.held)
      while (!isSustained(run)) run = await probe(each, fewer(run.options.ticksPerSecond, 0.9))
      each.confirmed.push(run)
    }
  }
  const rawRate = singleShare * median(of(contenders, 'ws.send').confirmed.map((run) => run.options.ticksPerSecond))
  const parts = [report(contenders), singleHead]
  for (const pace of [{ ticksPerSecond: 1, measureMs: 10_000 }, { ticksPerSecond: rawRate }]) {
    const single: Single = { Finstage: [], 'ws.send': [] }
    for (let round = 1; round <= singleRounds; round++) {
      for (const name of ['Finstage', 'ws.send'] as const) {
        const run = await runFanOut(name, { ...plain, ...pace }, directory)
        progress(`one update a write: ${described(run)}`)
        single[name].push(run)
      }
    }
    parts.push(singleTable(single))
  }
  return parts.join('\n\n')
}

type Single = Record<'Finstage' | 'ws.send', FanOutRun[]>

const plain = { symbols: ['AAPL'], connections: clients }

const of = (contenders: readonly Contender[], name: ServerName): Contender =>
  contenders.find((each) => each.name === name) as Contender

/** Goes up until a rate is too high (or down until it is not), then halves the distance. */
const isSearching = ({ held, failed }: Contender): boolean =>
  held < mostTicksPerSecond && !(held > 0 && failed / held <= nearEnough)

function next({ first, held, failed }: Contender): number {
  if (held === 0) return failed === Number.POSITIVE_INFINITY ? first : fewer(failed, 1 / growth)
  if (failed === Number.POSITIVE_INFINITY) return Math.min(mostTicksPerSecond, held * growth)
  return Math.sqrt(held * failed)
}

function fewer(ticksPerSecond: number, factor: number): number {
  if (ticksPerSecond < 1) throw new Error(`not even ${ticksPerSecond} updates a second are served in time`)
  return ticksPerSecond * factor
}

const medianOf = (runs: readonly FanOutRun[], pick: (run: FanOutRun) => number): number => median(runs.map(pick))

const rateOf = ({ figures }: FanOutRun): number => figures.deliveries / figures.seconds

function report(contenders: readonly Contender[]): string {
  const rates = new Map(contenders.map(({ name, confirmed }) => [name, medianOf(confirmed, rateOf)]))
  const rateBy = (name: ServerName): number => rates.get(name) ?? Number.NaN
  const rows = contenders.map(({ name, confirmed }) => [
    name,
    fixed(
      medianOf(confirmed, ({ options }) => options.ticksPerSecond),
      1,
    ),
    whole(rateBy(name)),
    fixed(rateBy(name) / rateBy('stock Yoga'), 2),
    fixed(rateBy(name) / rateBy('ws.send'), 2),
    ...costs(confirmed),
  ])
  const deaths = contenders.flatMap(({ name, deaths: found }) =>
    found.length > 0 ? [`${name} died in ${found.length} of the probes that it did not sustain: ${found[0]}.`] : [],
  )
  return [
    '## Deliveries over WebSocket',
    '',
    `${whole(clients)} clients subscribe to \`priceUpdates(symbols: ["AAPL"])\` over graphql-transport-ws; the highest rate of updates at`,
    'which 98 % of what is due arrives, no number missing, 99 % of it within 1 s of both its publishing and its due time. Medians of',
    `${rounds} rounds in turns, at the rate found or, where that is not sustained, a tenth less, and so on.`,
    '',
    table(['server', 'updates/s', 'deliveries/s', '÷ stock Yoga', '÷ ws.send', ...costHead], rows),
    ...(isInstalled('Mercurius')
      ? []
      : ['', 'Mercurius is not installed, and left out: `npm ci --prefix bench/peers` installs it.']),
    ...(deaths.length > 0 ? ['', ...deaths] : []),
  ].join('\n')
}

const singleHead =
  `One update a write: the same clients at one update a second, and at ${singleShare} of the highest rate of ws.send; ` +
  `${singleRounds} rounds in turns.`

function singleTable(single: Single): string {
  const rows = Object.entries(single).map(([name, runs]) => [
    name,
    fixed(
      medianOf(runs, ({ options }) => options.ticksPerSecond),
      1,
    ),
    whole(medianOf(runs, rateOf)),
    fixed(medianOf(single['ws.send'], costOf) / medianOf(runs, costOf), 2),
    ...costs(runs),
  ])
  return table(['server', 'updates/s', 'deliveries/s', 'ws.send’s µs ÷ own', ...costHead], rows)
}

const costHead = [
  ...[
    'p50 ms',
    'p99 ms',
    'p99 behind due ms',
    'server µs CPU/delivery',
    'messages a write',
    'server CPU',
    'client CPU',
  ],
  ...['others’ CPU, most', 'bound by'],
]

function costs(runs: readonly FanOutRun[]): string[] {
  const of = (pick: (figures: FanOutRun['figures']) => number): number => medianOf(runs, ({ figures }) => pick(figures))
  const cpu = { server: of((figures) => figures.cpu.server), client: of((figures) => figures.cpu.client) }
  return [
    fixed(
      of(({ p50Ms }) => p50Ms),
      1,
    ),
    fixed(
      of(({ p99Ms }) => p99Ms),
      1,
    ),
    fixed(
      of(({ behindP99Ms }) => behindP99Ms),
      0,
    ),
    fixed(medianOf(runs, costOf), 2),
    fixed(
      of(({ perWrite }) => perWrite),
      1,
    ),
    fixed(cpu.server, 2),
    fixed(cpu.client, 2),
    fixed(Math.max(...runs.map(({ figures }) => figures.cpu.others)), 2),
    boundBy(cpu),
  ]
}
