import { boundBy } from './machine.ts'
import { runLoad, type ServerName, startServer } from './processes.ts'
import { fixed, median, table, whole } from './table.ts'
import type { SubscriptionFigures, SubscriptionLoad } from './ws-load.ts'

const connections = 200
const warmUpMs = 1200
const searchMs = 2000
const confirmMs = 5000
const confirmations = 2
const firstRate = 120
/** The search ends where the highest rate that held and the lowest that did not are this near. */
const nearEnough = 1.06
/** The most that SIMULATED_TICKS_PER_SECOND takes. */
const highestRate = 5000
/** With so much of a core used by others, a probe that failed proves nothing. */
const tooBusy = 0.15
const mostTries = 3

interface Probe {
  readonly rate: number
  readonly sustained: boolean
  readonly figures: SubscriptionFigures
  /** What the server died of. */
  readonly death: string | null
}

interface Contender {
  readonly name: ServerName
  rate: number
  readonly deaths: string[]
  readonly confirmed: Probe[]
}

/** The highest rate of deliveries that each server sustains: searched by the same steps, then confirmed in turns. */
export async function measureSubscriptions(directory: string, progress: (text: string) => void): Promise<string> {
  const contender = (name: ServerName): Contender => ({ name, rate: firstRate, deaths: [], confirmed: [] })
  const contenders = [contender('Finstage'), contender('stock Yoga')]

  async function probe({ name, deaths }: Contender, rate: number, durationMs: number): Promise<Probe> {
    for (let tries = 1; ; tries++) {
      const found = await probeOnce(name, rate, durationMs, directory)
      const { figures, sustained, death } = found
      const { cpu } = figures
      progress(
        `subscriptions, ${name}, ${rate} ticks/s: ${sustained ? 'sustained' : `NOT sustained${death ? ` (${death})` : ''}`}, ` +
          `${whole(figures.deliveries / figures.seconds)} deliveries/s, p99 ${fixed(figures.p99Ms, 0)} ms, behind ` +
          `${fixed(figures.behindP99Ms, 0)} ms, missing ${figures.missing}, lost ${figures.lost}, CPU server ` +
          `${fixed(cpu.server, 2)} client ${fixed(cpu.client, 2)} others ${fixed(cpu.others, 2)}`,
      )
      if (sustained || cpu.others < tooBusy || tries === mostTries) {
        if (death !== null) deaths.push(death)
        return found
      }
    }
  }

  for (const each of contenders) {
    each.rate = await highestHeld(async (rate) => (await probe(each, rate, searchMs)).sustained)
  }
  for (let round = 1; round <= confirmations; round++) {
    for (const each of contenders) {
      let found = await probe(each, each.rate, confirmMs)
      while (!found.sustained) {
        each.rate = lower(each.rate, 0.94)
        found = await probe(each, each.rate, confirmMs)
      }
      each.confirmed.push(found)
    }
  }
  return report(contenders)
}

async function probeOnce(name: ServerName, rate: number, durationMs: number, directory: string): Promise<Probe> {
  const server = await startServer(name, rate, directory)
  const figures = await runLoad<SubscriptionLoad, SubscriptionFigures>('ws-load.ts', {
    url: server.url,
    serverPid: server.pid,
    symbol: 'AAPL',
    connections,
    ticksPerSecond: rate,
    warmUpMs,
    durationMs,
  })
  const death = server.death()
  if (death !== null && name === 'Finstage') throw new Error(`Finstage died at ${rate} ticks/s: ${death}`)
  await server.stop()
  const { deliveries, seconds, p99Ms, behindP99Ms, missing, lost } = figures
  const enough = deliveries >= 0.98 * rate * connections * seconds
  const inTime = p99Ms < 1000 && behindP99Ms < 1000
  return { rate, figures, death, sustained: enough && inTime && missing === 0 && lost === 0 && death === null }
}

/** Up by half until a rate is not held (or down until one is), then by halves of the distance. */
async function highestHeld(holds: (rate: number) => Promise<boolean>): Promise<number> {
  let held = 0
  let failed = Number.POSITIVE_INFINITY
  for (let rate = firstRate; ; rate = nextRate(held, failed)) {
    if (await holds(rate)) held = rate
    else failed = rate
    if (held >= highestRate || (held > 0 && failed / held <= nearEnough)) return held
  }
}

function nextRate(held: number, failed: number): number {
  if (held === 0) return lower(failed, 1 / 1.5)
  if (failed === Number.POSITIVE_INFINITY) return Math.min(highestRate, Math.round(held * 1.5))
  return Math.round(Math.sqrt(held * failed))
}

function lower(rate: number, factor: number): number {
  const next = Math.round(rate * factor * 10) / 10
  if (next < 1) throw new Error(`not even ${rate} ticks a second to ${connections} subscribers are sustained`)
  return next
}

function report(contenders: readonly Contender[]): string {
  const rates = contenders.map(({ confirmed }) =>
    median(confirmed.map(({ figures }) => figures.deliveries / figures.seconds)),
  )
  const costs = contenders.map(({ confirmed }) =>
    median(confirmed.map(({ figures }) => (1e6 * figures.cpu.server * figures.seconds) / figures.deliveries)),
  )
  const rows = contenders.map(({ name, rate, confirmed }, index) => {
    const of = (pick: (figures: SubscriptionFigures) => number): number =>
      median(confirmed.map(({ figures }) => pick(figures)))
    const cpu = { server: of((figures) => figures.cpu.server), client: of((figures) => figures.cpu.client) }
    const deliveries = rates[index] ?? Number.NaN
    const cost = costs[index] ?? Number.NaN
    return [
      name,
      whole(rate),
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
  const deaths = contenders.flatMap(({ name, deaths: found }) =>
    found.length > 0 ? [`${name} died in ${found.length} of the probes that it did not sustain: ${found[0]}.`] : [],
  )
  return [
    '## Deliveries over WebSocket',
    '',
    `${connections} clients subscribe to \`priceUpdates(symbols: ["AAPL"]) { symbol price seq publishedAt }\` over graphql-transport-ws:`,
    'the highest rate at which 98 % of what was due arrives, no number is missing, and 99 % arrives within 1 s of both its',
    `publishing and its due time. Every probe is a server newly started. Medians of ${confirmations} probes of ${confirmMs / 1000} s in turns at the rate found.`,
    '',
    table(
      [
        'server',
        'ticks/s',
        'deliveries/s',
        '÷ stock',
        'p50 ms',
        'p99 ms',
        'p99 behind due ms',
        'server µs CPU/delivery',
        'stock’s CPU ÷',
        'server CPU',
        'client CPU',
        'others’ CPU, most',
        'bound by',
      ],
      rows,
    ),
    ...(deaths.length > 0 ? ['', ...deaths] : []),
  ].join('\n')
}
