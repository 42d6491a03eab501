import { ask } from '../support/graphql-client.ts'
import { runLoad, type Server, startServer } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'
import type { BatchesFigures, BatchesLoad } from './load.ts'

const clients = 200
const symbolsPerClient = 100
const market = 300
const rounds = 9
const measureMs = 8000

interface Form {
  readonly name: string
  readonly form: BatchesLoad['form']
  readonly isCompressed: boolean
  /** Whether all clients ask for the same symbols. */
  readonly isShared: boolean
}

const forms: readonly Form[] = [
  { name: 'an update each, as plain text', form: 'updates', isCompressed: false, isShared: true },
  { name: 'batches, the same symbols for all', form: 'batches', isCompressed: true, isShared: true },
  { name: 'batches, as plain text', form: 'batches', isCompressed: false, isShared: true },
  { name: 'updates, symbols at random', form: 'updates', isCompressed: false, isShared: false },
  { name: 'batches, symbols at random', form: 'batches', isCompressed: true, isShared: false },
]

/** Repeats from run to run: a multiplicative generator modulo 2^31 - 1 (S. K. Park and K. W. Miller, 1988). */
function shuffled(symbols: readonly string[], seed: number): string[] {
  let state = seed
  const next = (): number => {
    state = (state * 48_271) % 2_147_483_647
    return state
  }
  return symbols
    .map((symbol) => [next(), symbol] as const)
    .sort(([one], [other]) => one - other)
    .map(([, symbol]) => symbol)
}

async function listed(server: Server): Promise<string[]> {
  interface Page {
    readonly marketInstruments: {
      readonly edges: readonly { readonly node: { readonly symbol: string } }[]
      readonly pageInfo: { readonly endCursor: string | null }
    }
  }
  const query =
    'query ($after: String) { marketInstruments(first: 100, after: $after) { edges { node { symbol } } pageInfo { endCursor } } }'
  const symbols: string[] = []
  let after: string | null = null
  while (symbols.length < market) {
    const { marketInstruments }: Page = await ask<Page>(server.url, query, { after })
    symbols.push(...marketInstruments.edges.map(({ node }) => node.symbol))
    after = marketInstruments.pageInfo.endCursor
  }
  return symbols
}

/** A hundred prices a second for each client: what they cost as single updates, and as batches. */
export async function measureBatches(
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const environment = { SIMULATED_SYMBOLS: String(market), MAX_CONNECTIONS_PER_ADDRESS: String(2 * clients) }
  const server = await startServer('Finstage', 1, directory, environment)
  const symbols = await listed(server)
  const figures = new Map<Form, BatchesFigures[]>(forms.map((form) => [form, []]))
  const pace = isQuick ? { rounds: 1, clients: 50, measureMs: 3000 } : { rounds, clients, measureMs }
  for (let round = 1; round <= pace.rounds; round++) {
    for (const form of round % 2 === 0 ? forms : forms.toReversed()) {
      const run = await runLoad<BatchesLoad, BatchesFigures>('../batches/load.ts', {
        url: server.url,
        serverPid: server.pid,
        form: form.form,
        isCompressed: form.isCompressed,
        symbols: Array.from({ length: pace.clients }, (_, client) =>
          (form.isShared ? symbols : shuffled(symbols, client + 1)).slice(0, symbolsPerClient),
        ),
        settleMs: 2500,
        measureMs: pace.measureMs,
        durationMs: 60_000,
      })
      progress(
        `batches, round ${round}, ${form.name}: ${whole(bytesOf(run))} bytes and ${fixed(microsOf(run), 2)} µs a price, ` +
          `client ${fixed(run.clientCpu, 2)}, others ${fixed(run.others, 2)}`,
      )
      figures.get(form)?.push(run)
    }
  }
  await server.stop()
  const rows = forms.map((form) => {
    const runs = figures.get(form) ?? []
    const base = figures.get(form.isShared ? (forms[0] as Form) : (forms[3] as Form)) ?? []
    return [
      form.name,
      whole(median(runs.map(({ prices }) => prices / (pace.measureMs / 1000)))),
      fixed(median(runs.map(bytesOf)), 1),
      share(
        runs.map((run, i) => (100 * bytesOf(run)) / bytesOf(base[i] as BatchesFigures)),
        1,
      ),
      fixed(median(runs.map(microsOf)), 2),
      share(
        runs.map((run, i) => microsOf(run) / microsOf(base[i] as BatchesFigures)),
        2,
      ),
    ]
  })
  return [
    '## Batches of prices',
    '',
    `${pace.clients} clients with ${symbolsPerClient} symbols each, which tick once a second; bytes as read from the socket, CPU time of the whole`,
    `server. Medians of ${pace.rounds} rounds of ${pace.measureMs / 1000} s in turns, in brackets the best and the worst, beside single updates of the same symbols.`,
    '',
    table(['form', 'prices/s', 'bytes a price', '% of the bytes', 'server µs CPU/price', '× CPU'], rows),
  ].join('\n')
}

const bytesOf = ({ bytes, prices }: BatchesFigures): number => bytes / prices
const microsOf = ({ serverMicros, prices }: BatchesFigures): number => serverMicros / prices

const share = (values: readonly number[], digits: number): string =>
  `${fixed(median(values), digits)} (${fixed(Math.min(...values), digits)} to ${fixed(Math.max(...values), digits)})`
