import type { HttpFigures, HttpLoad } from '../loads/http.ts'
import { boundBy, quiet } from '../support/machine.ts'
import { isInstalled, runLoad, type Server, type ServerName, startServer } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const connections = 64
const warmUpMs = 8000
const rounds = 5
const roundMs = 2000
export const query = '{ quote(symbol:"AAPL") { symbol price } }'
export const expected = String.raw`^\{"data":\{"quote":\{"symbol":"AAPL","price":\d+(\.\d+)?\}\}\}$`

/** Quotes a second. All servers run throughout and are measured in turns, round by round. */
export async function measureHttp(directory: string, progress: (text: string) => void): Promise<string> {
  const names: ServerName[] = ['Finstage', 'stock Yoga', 'node:http']
  if (isInstalled('Mercurius')) names.splice(2, 0, 'Mercurius')
  const runs: { name: ServerName; server: Server; figures: HttpFigures[] }[] = []
  for (const name of names) runs.push({ name, server: await startServer(name, 1, directory), figures: [] })
  for (const { server } of runs) await once(server, warmUpMs)
  for (let round = 1; round <= rounds; round++) {
    for (const { name, server, figures } of runs) {
      await quiet()
      const figure = await once(server, roundMs)
      figures.push(figure)
      progress(`http, round ${round}, ${name}: ${whole(figure.requestsPerSecond)}/s`)
    }
  }
  for (const { server } of runs) await server.stop()
  const rates = (figures: readonly HttpFigures[]): number[] => figures.map((figure) => figure.requestsPerSecond)
  const rateOf = (wanted: ServerName): number => median(rates(runs.find(({ name }) => name === wanted)?.figures ?? []))
  const rows = runs.map(({ name, figures }) => {
    const of = (pick: (figure: HttpFigures) => number): number => median(figures.map(pick))
    const rate = median(rates(figures))
    const range = `${whole(Math.min(...rates(figures)))} to ${whole(Math.max(...rates(figures)))}`
    const cpu = { server: of(({ cpu }) => cpu.server), client: of(({ cpu }) => cpu.client) }
    return [
      name,
      whole(rate),
      fixed(rate / rateOf('stock Yoga'), 2),
      fixed(rate / rateOf('Mercurius'), 2),
      range,
      fixed(
        of(({ p50Ms }) => p50Ms),
        1,
      ),
      fixed(
        of(({ p99Ms }) => p99Ms),
        1,
      ),
      fixed((1e6 * cpu.server) / rate, 0),
      fixed(cpu.server, 2),
      fixed(cpu.client, 2),
      fixed(Math.max(...figures.map(({ cpu }) => cpu.others)), 2),
      boundBy(cpu),
    ]
  })
  const head = ['server', 'quotes/s', '÷ stock', '÷ Mercurius', 'range', 'p50 ms', 'p99 ms', 'server µs CPU/quote']
  return [
    '## Quotes over HTTP',
    '',
    `\`${query}\` by POST, ${connections} connections that each ask again when they have their answer; every answer is checked.`,
    'Mercurius compiles queries, too. node:http reads the body and writes a constant: what no server in Node goes past.',
    `Medians of ${rounds} rounds of ${roundMs / 1000} s in turns, after ${warmUpMs / 1000} s of warm-up each.`,
    '',
    table([...head, 'server CPU', 'client CPU', 'others’ CPU, most', 'bound by'], rows),
  ].join('\n')
}

const once = (server: Server, durationMs: number): Promise<HttpFigures> =>
  runLoad<HttpLoad, HttpFigures>('http.ts', {
    url: server.url,
    serverPid: server.pid,
    query,
    expected,
    connections,
    warmUpMs: 300,
    durationMs,
  })
