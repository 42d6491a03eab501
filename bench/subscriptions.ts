import { boundBy, quiet, tooBusy } from './machine.ts'
import { runLoad, type Server, type ServerName, startServer } from './processes.ts'
import { fixed, median, table, whole } from './table.ts'
import type { SubscriptionFigures, SubscriptionLoad } from './ws-load.ts'

const ticksPerSecond = 100
const firstSubscribers = 250
const mostSubscribers = 10_000
const joinMs = 1000
const warmUpMs = 500
const searchMs = 2500
const roundMs = 3000
const rounds = 3
const growth = 1.4
/** The search ends where the most that were served and the fewest that were not are this near. */
const nearEnough = 1.05
/** How many probes are made again, in all, because they failed while others kept the machine busy. */
const mostRetries = 3

interface Probe {
  readonly subscribers: number
  readonly sustained: boolean
  readonly figures: SubscriptionFigures
}

interface Contender {
  readonly name: ServerName
  server: Server
  /** The most subscribers that were served, and the fewest that were not. */
  held: number
  failed: number
  /** Microseconds of CPU time a delivery, with as many subscribers as the other has. */
  readonly costs: number[]
  /** What it died of, each time. */
  readonly deaths: string[]
  /** Of each round the first that was sustained, from the number found downwards. */
  readonly confirmed: Probe[]
}

/** The most deliveries a second that each server sustains: searched by the same steps, then measured in rounds, in turns. */
export async function measureSubscriptions(directory: string, progress: (text: string) => void): Promise<string> {
  const contenders = [await enter('Finstage', directory), await enter('stock Yoga', directory)]
  let retriesLeft = mostRetries

  async function probe(contender: Contender, subscribers: number, durationMs: number): Promise<Probe> {
    for (;;) {
      const found = await probeOnce(contender, subscribers, durationMs, directory)
      progress(described(contender.name, found))
      if (found.sustained || !(found.figures.cpu.others >= tooBusy) || retriesLeft === 0) return found
      retriesLeft -= 1
    }
  }

  for (const each of contenders) await probe(each, firstSubscribers, roundMs)
  for (let round = 1; round <= rounds; round++) {
    for (const each of contenders) {
      const { figures, sustained } = await probe(each, firstSubscribers, searchMs)
      each.costs.push((1e6 * figures.cpu.server * figures.seconds) / figures.deliveries)
      if (sustained) each.held = firstSubscribers
    }
  }
  while (contenders.some(isSearching)) {
    for (const each of contenders.filter(isSearching)) {
      const subscribers = next(each)
      if ((await probe(each, subscribers, searchMs)).sustained) each.held = subscribers
      else each.failed = subscribers
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const each of contenders) {
      let found = await probe(each, each.held, roundMs)
      while (!found.sustained) found = await probe(each, fewer(found.subscribers, 0.9), roundMs)
      each.confirmed.push(found)
    }
  }
  for (const { server } of contenders) await server.stop()
  return report(contenders)
}

const enter = async (name: ServerName, directory: string): Promise<Contender> => ({
  name,
  server: await startServer(name, ticksPerSecond, directory),
  held: 0,
  failed: Number.POSITIVE_INFINITY,
  costs: [],
  deaths: [],
  confirmed: [],
})

async function probeOnce(
  contender: Contender,
  subscribers: number,
  durationMs: number,
  directory: string,
): Promise<Probe> {
  const { name, server, deaths } = contender
  await quiet()
  const figures = await runLoad<SubscriptionLoad, SubscriptionFigures>('ws-load.ts', {
    url: server.url,
    serverPid: server.pid,
    symbol: 'AAPL',
    connections: subscribers,
    ticksPerSecond,
    joinMs,
    warmUpMs,
    durationMs,
  })
  const death = server.death()
  if (death !== null) {
    if (name === 'Finstage') throw new Error(`Finstage died with ${subscribers} subscribers: ${death}`)
    deaths.push(death)
    contender.server = await startServer(name, ticksPerSecond, directory)
  }
  const { deliveries, seconds, p99Ms, behindP99Ms, missing, lost } = figures
  const enough = deliveries >= 0.98 * ticksPerSecond * subscribers * seconds
  const inTime = p99Ms < 1000 && behindP99Ms < 1000
  return { subscribers, figures, sustained: enough && inTime && missing === 0 && lost === 0 && death === null }
}

/** Up until a number is too many (or down until it is not), then by halves of the distance. */
const isSearching = ({ held, failed }: Contender): boolean =>
  held < mostSubscribers && !(held > 0 && failed / held <= nearEnough)

function next({ held, failed }: Contender): number {
  if (held === 0) return failed === Number.POSITIVE_INFINITY ? firstSubscribers : fewer(failed, 1 / growth)
  if (failed === Number.POSITIVE_INFINITY) return Math.min(mostSubscribers, Math.round(held * growth))
  return Math.round(Math.sqrt(held * failed))
}

function fewer(subscribers: number, factor: number): number {
  const less = Math.floor(subscribers * factor)
  if (less < 1) throw new Error(`not even ${subscribers} subscribers are served in time`)
  return less
}

function described(name: ServerName, { subscribers, sustained, figures }: Probe): string {
  const { deliveries, seconds, p99Ms, behindP99Ms, missing, lost, cpu } = figures
  return (
    `subscriptions, ${name}, ${subscribers} clients: ${sustained ? 'sustained' : 'NOT sustained'}, ` +
    `${whole(deliveries / seconds)} deliveries/s, p99 ${fixed(p99Ms, 0)} ms, behind ${fixed(behindP99Ms, 0)} ms, ` +
    `missing ${missing}, lost ${lost}, CPU server ${fixed(cpu.server, 2)} client ${fixed(cpu.client, 2)} ` +
    `others ${fixed(cpu.others, 2)}`
  )
}

const disturbed =
  'Where no core was full, others kept the machine busy, and more would have been served: compare the CPU time per delivery.'

function report(contenders: readonly Contender[]): string {
  const rates = contenders.map(({ confirmed }) =>
    median(confirmed.map(({ figures }) => figures.deliveries / figures.seconds)),
  )
  const costs = contenders.map((contender) => median(contender.costs))
  const rows = contenders.map(({ name, confirmed }, index) => {
    const of = (pick: (figures: SubscriptionFigures) => number): number =>
      median(confirmed.map(({ figures }) => pick(figures)))
    const cpu = { server: of((figures) => figures.cpu.server), client: of((figures) => figures.cpu.client) }
    const deliveries = rates[index] ?? Number.NaN
    const cost = costs[index] ?? Number.NaN
    return [
      name,
      whole(median(confirmed.map(({ subscribers }) => subscribers))),
      whole(deliveries),
      fixed(deliveries / (rates[1] ?? Number.NaN), 2),
      fixed(
        of(({ p50Ms }) => p50Ms),
        0,
      ),
      fixed(
        of(({ p99Ms }) => p99Ms),
        0,
      ),
      fixed(
        of(({ behindP99Ms }) => behindP99Ms),
        0,
      ),
      fixed(cost, 1),
      fixed((costs[1] ?? Number.NaN) / cost, 2),
      fixed(cpu.server, 2),
      fixed(cpu.client, 2),
      fixed(Math.max(...confirmed.map(({ figures }) => figures.cpu.others)), 2),
      boundBy(cpu),
    ]
  })
  const bounds = rows.map((row) => row.at(-1))
  const deaths = contenders.flatMap(({ name, deaths: found }) =>
    found.length > 0 ? [`${name} died in ${found.length} of the probes that it did not sustain: ${found[0]}.`] : [],
  )
  return [
    '## Deliveries over WebSocket',
    '',
    `Clients subscribe to \`priceUpdates(symbols: ["AAPL"]) { symbol price seq publishedAt }\` over graphql-transport-ws, with`,
    `${ticksPerSecond} ticks a second: as many as get 98 % of what is due, with no number missing, 99 % of it within 1 s of both its`,
    `publishing and its due time. Medians of ${rounds} rounds of ${roundMs / 1000} s in turns, with the number found or, where that is not`,
    `sustained, a tenth less, and so on. CPU time a delivery: of ${rounds} rounds in turns with the same ${firstSubscribers} subscribers.`,
    '',
    table(
      [
        'server',
        'subscribers',
        'deliveries/s',
        '÷ stock',
        'p50 ms',
        'p99 ms',
        'p99 behind due ms',
        `server µs CPU/delivery, ${firstSubscribers} subscribers`,
        'stock’s µs ÷ own',
        'server CPU',
        'client CPU',
        'others’ CPU, most',
        'bound by',
      ],
      rows,
    ),
    ...(bounds.includes('neither') ? ['', disturbed] : []),
    ...(deaths.length > 0 ? ['', ...deaths] : []),
  ].join('\n')
}
