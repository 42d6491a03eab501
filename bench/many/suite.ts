import { simulatedInstruments } from '../../src/market/simulated/instruments/instruments.ts'
import { checkedOut } from '../support/baseline.ts'
import { described, runFanOut } from '../support/fan-out-run.ts'
import { settledMemory } from '../support/inspector.ts'
import { boundBy, quiet } from '../support/machine.ts'
import { runLoad, type ServerName, startServer } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'
import { measureBesideFanOut, measureBesideStreams, type Quotes } from './beside.ts'
import { highestRate, type Joins, measureJoins, shownJoins } from './joins.ts'
import type { ManyFigures, ManyLoad } from './load.ts'

const symbols = [...simulatedInstruments(1000, 1).keys()]
const symbolsPerClient = 100
const longestP99Ms = 300
const wantedPerSecond = 400_000
const aimedPerSecond = 1_000_000
const crowd = { connections: 16_000, ticksPerSecond: 2.5, longestP99Ms: 50 }
const longestJoinMs = 1000
/** The commit before updates were spread in turns. */
const commitBefore = '289ea67'

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

/** Until one is not sustained: from 400,000 updates a second up. */
const sizes: readonly Size[] = [0.4, 0.7, 1, 1.2].map((ticksPerSecond) => ({ clients: 10_000, ticksPerSecond }))
const yogaSizes: readonly Size[] = [100, 200, 300].map((clients) => ({ clients, ticksPerSecond: 1 }))

interface Run extends Size {
  readonly name: ServerName
  readonly figures: ManyFigures
  readonly death: string | null
  /** Resident memory for each seat, beyond that of the process before the first. */
  readonly bytesPerSeat: number
}

/** Something that is to be shown. */
interface Claim {
  readonly what: string
  readonly measured: string
  readonly wanted: string
  readonly met: string
}

type Progress = (text: string) => void

/** Many symbols for each of many clients, in several documents; many clients of one symbol each; and others beside them. */
export async function measureManyDocuments(directory: string, progress: Progress, isQuick: boolean): Promise<string> {
  const [documents, documentsText] = await measureDocuments(directory, progress, isQuick)
  const [crowd, crowdText] = await measureCrowd(directory, progress, isQuick)
  const [joins, othersText] = await measureOthers(directory, progress, isQuick)
  const claims = [documents, crowd, joins].map(({ what, measured, wanted, met }) => [what, measured, wanted, met])
  return [
    '## Many documents',
    '',
    ...(isQuick ? ['A quick run with fewer clients: what is wanted is said of the whole one.', ''] : []),
    table(['on one core', 'measured', 'wanted', 'met'], claims),
    '',
    documentsText,
    '',
    crowdText,
    '',
    othersText,
  ].join('\n')
}

async function measureDocuments(
  directory: string,
  progress: Progress,
  isQuick: boolean,
): Promise<readonly [Claim, string]> {
  const measureMs = isQuick ? 4000 : 10_000
  const runs: Run[] = []
  for (const [name, all, quickly] of [
    ['Finstage', sizes, { clients: 1000, ticksPerSecond: 1 }],
    ['stock Yoga', yogaSizes, { clients: 100, ticksPerSecond: 1 }],
  ] as const) {
    for (const size of isQuick ? [quickly] : all) {
      const run = await runMany(name, size, directory, measureMs)
      progress(`many documents: ${isSustained(run) ? '' : 'NOT '}sustained: ${describedRun(run)}`)
      runs.push(run)
      if (!isSustained(run)) break
    }
  }
  const most = (name: ServerName): number =>
    Math.max(0, ...runs.filter((run) => run.name === name && isSustained(run)).map(perSecond))
  const text = [
    `Each client has ${symbolsPerClient} random symbols of ${whole(symbols.length)} in one subscription, in one of ${selections.length} documents. Sustained: 98 % of what is due arrives, no`,
    `client is lost, no number is left out, no seat is stuck, p99 stays under ${longestP99Ms} ms, and in the end the clients of Finstage`,
    'have read as many prices as it has written.',
    '',
    table(head, runs.map(rowOf)),
  ].join('\n')
  const claim = {
    what: `${whole(sizes[0]?.clients ?? 0)} clients of ${symbolsPerClient} symbols each: the most updates a second, none lost, p99 under ${longestP99Ms} ms`,
    measured: `${whole(most('Finstage'))}; stock Yoga with as many clients as it serves ${whole(most('stock Yoga'))}`,
    wanted: `${whole(wantedPerSecond)}; the aim ${whole(aimedPerSecond)}`,
    met: [wantedPerSecond, aimedPerSecond].map((least) => answer(most('Finstage') >= 0.98 * least, isQuick)).join('; '),
  }
  return [claim, text]
}

async function measureCrowd(
  directory: string,
  progress: Progress,
  isQuick: boolean,
): Promise<readonly [Claim, string]> {
  const { ticksPerSecond, longestP99Ms } = crowd
  const connections = isQuick ? 1000 : crowd.connections
  const pace = { ticksPerSecond, joinMs: isQuick ? 2000 : 20_000, measureMs: isQuick ? 4000 : 10_000 }
  const run = await runFanOut('Finstage', { symbols: symbols.slice(0, 100), connections, ...pace }, directory)
  progress(`many documents, one symbol each: ${described(run)}`)
  const { deliveries, seconds, p50Ms, p99Ms, missing, lost, cpu } = run.figures
  const isWhole = missing === 0 && lost === 0 && deliveries >= 0.98 * connections * ticksPerSecond * seconds
  const claim = {
    what: `${whole(crowd.connections)} clients of one symbol each, ${ticksPerSecond} updates a second: p99, none lost`,
    measured: `${fixed(p99Ms, 1)} ms, ${missing + lost} lost`,
    wanted: `under ${longestP99Ms} ms`,
    met: answer(isWhole && p99Ms < longestP99Ms, isQuick),
  }
  const text = [
    `${whole(connections)} clients of one symbol each of 100, ${ticksPerSecond} updates a second: ${whole(deliveries / seconds)} deliveries/s, p50 ${fixed(p50Ms, 1)} ms,`,
    `p99 ${fixed(p99Ms, 1)} ms, ${missing} left out, ${lost} lost, server ${fixed(cpu.server, 2)}, load client ${fixed(cpu.client, 2)}, others ${fixed(cpu.others, 2)} of a core.`,
  ].join('\n')
  return [claim, text]
}

/** How long others wait: those who join, and quotes. */
async function measureOthers(
  directory: string,
  progress: Progress,
  isQuick: boolean,
): Promise<readonly [Claim, string]> {
  const highest = isQuick ? 200 : await highestRate(4000, directory, progress)
  const joins = await measureJoins(0.9 * highest, directory, progress)
  const before = isQuick ? null : await joinsBefore(highest, directory, progress)
  const { joinedMs, quotes, fanOut } = await measureBesideFanOut(0.9 * highest, directory)
  const { idle, beside, streams } = await measureBesideStreams(symbols, directory)
  const claim = {
    what: 'a client that joins at 0.9 of the highest rate of updates: until its first price, the longest',
    measured: `${fixed(joins.worstMs, 0)} ms${before ? `; before ${fixed(before.worstMs, 0)} ms` : ''}`,
    wanted: `under ${whole(longestJoinMs)} ms`,
    met: answer(joins.unserved === 0 && joins.worstMs < longestJoinMs, isQuick),
  }
  const text = [
    `Beside one symbol for 1,000 clients, at 0.9 of the highest rate of its updates (${whole(joins.ticksPerSecond)} a second), clients that join one by one`,
    `have their first price after ${shownJoins(joins)}.`,
    ...(before
      ? [`Commit ${commitBefore}, at 0.9 of its own (${whole(before.ticksPerSecond)}): ${shownJoins(before)}.`]
      : []),
    `1,000 more clients that join at once are all served after ${whole(joinedMs)} ms, and quotes take ${shown(quotes)}; server ${fixed(fanOut.cpu.server, 2)}`,
    `of a core, others ${fixed(fanOut.cpu.others, 2)}.`,
    '',
    `Beside 100 streams over SSE of 90 symbols, ${whole(streams.eventsPerSecond)} events a second in all: quotes take ${shown(beside)}, idle`,
    `${shown(idle)}; server ${fixed(streams.serverCpu, 2)} of a core.`,
  ].join('\n')
  return [claim, text]
}

/** `highest`: the rate of this build. The one before is hardly faster. */
async function joinsBefore(highest: number, directory: string, progress: Progress): Promise<Joins> {
  const { root, remove } = checkedOut(commitBefore, directory)
  try {
    const rate = 0.9 * (await highestRate(1.2 * highest, directory, progress, root))
    return await measureJoins(rate, directory, progress, root)
  } finally {
    remove()
  }
}

const answer = (isMet: boolean, isQuick: boolean): string => (isQuick ? 'not asked' : isMet ? 'yes' : 'no')

const shown = ({ p50Ms, p99Ms }: Quotes): string => `p50 ${fixed(p50Ms, 1)} ms, p99 ${fixed(p99Ms, 1)} ms`

async function runMany(name: ServerName, size: Size, directory: string, measureMs: number): Promise<Run> {
  const { clients, ticksPerSecond } = size
  const environment = { SIMULATED_SYMBOLS: String(symbols.length) }
  const server = await startServer(name, ticksPerSecond, directory, environment, ['--inspect=127.0.0.1:0'])
  try {
    const idle = server.inspector === null ? null : await settledMemory(server.inspector, server.pid)
    await quiet()
    const joinMs = 3 * clients + 1000
    const settleMs = 5000
    const figures = await runLoad<ManyLoad, ManyFigures>('../many/load.ts', {
      url: server.url,
      metrics: server.metrics,
      serverPid: server.pid,
      ...{ clients, symbols, symbolsPerClient, selections, ticksPerSecond, joinMs, settleMs, measureMs },
      symbolType: name === 'Finstage' ? 'Symbol' : 'String',
      inspector: server.inspector,
      durationMs: 100_000 + joinMs + settleMs + measureMs,
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
  const { p99Ms, leftOut, stuck, unread, lost } = run.figures
  const isWhole = leftOut === 0 && stuck === 0 && (unread ?? 0) === 0 && lost === 0 && run.death === null
  return isWhole && shareOfDue(run) >= 0.98 && p99Ms < longestP99Ms
}

const perSecond = ({ figures: { deliveries, seconds } }: Run): number => deliveries / seconds

const costOf = ({ figures: { cpu, seconds, deliveries } }: Run): number => (1e6 * cpu.server * seconds) / deliveries

function describedRun(run: Run): string {
  const { figures } = run
  const { cpu } = figures
  return [
    `${run.name}, ${whole(run.clients)} clients, ${run.ticksPerSecond} updates/s of a symbol: ${whole(figures.deliveries / figures.seconds)} deliveries/s (${fixed(shareOfDue(run), 3)} of due)`,
    `p50 ${fixed(figures.p50Ms, 1)} ms, p99 ${fixed(figures.p99Ms, 1)} ms, behind ${fixed(figures.behindP99Ms, 0)} ms`,
    `left out ${figures.leftOut}, stuck ${figures.stuck}, unread ${figures.unread}, lost ${figures.lost}, joined after ${whole(figures.joinedMs)} ms`,
    `${fixed(figures.perWrite, 1)} a write, ${fixed(costOf(run), 2)} µs`,
    `CPU server ${fixed(cpu.server, 2)} client ${fixed(cpu.client, 2)} others ${fixed(cpu.others, 2)}, ${whole(run.bytesPerSeat)} bytes a seat`,
  ].join(', ')
}

const head = [
  ...['server', 'clients', 'updates/s of a symbol', 'deliveries/s', 'of those due', 'p50 ms', 'p99 ms'],
  ...['p99 behind due ms', 'left out', 'stuck', 'unread', 'lost', 'server µs CPU/delivery', 'messages a write'],
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
    figures.unread === null ? '' : whole(figures.unread),
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
