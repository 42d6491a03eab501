import { join } from 'node:path'
import type { EnqueueFigures, EnqueueOptions } from '../loads/enqueue.ts'
import type { HttpFigures, HttpLoad } from '../loads/http.ts'
import { quiet } from '../support/machine.ts'
import { runLoad, startFinstage, startPostgres } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const inFlight = 32
const rounds = 3
const durationMs = 3000
const query =
  'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { ... on EnqueuePayload { deduplicated job { state } } } }'
const expected = String.raw`^\{"data":\{"enqueueAnalysis":\{"deduplicated":false,"job":\{"state":"QUEUED"\}\}\}\}$`

/**
 * Jobs queued through the API, compared with the bare queue's own function, in turns on one Postgres. No worker runs.
 */
export async function measureEnqueue(directory: string, progress: (text: string) => void): Promise<string> {
  const postgres = await startPostgres(join(directory, 'enqueue'))
  const environment = { DATABASE_URL: postgres.url, MARKET_SOURCE: 'simulated' }
  const server = await startFinstage(environment, { role: 'api' })
  const load: HttpLoad = {
    url: server.url,
    serverPid: server.pid,
    query,
    expected,
    connections: inFlight,
    warmUpMs: 300,
    durationMs,
  }
  const mutations: HttpFigures[] = []
  const bare: EnqueueFigures[] = []
  await runLoad<HttpLoad, HttpFigures>('http.ts', load)
  for (let round = 1; round <= rounds; round++) {
    await quiet()
    mutations.push(await runLoad<HttpLoad, HttpFigures>('http.ts', load))
    await quiet()
    const options: EnqueueOptions = { connectionString: postgres.url, inFlight, durationMs }
    bare.push(await runLoad<EnqueueOptions, EnqueueFigures>('enqueue.ts', options, 0))
    progress(
      `enqueue, round ${round}: ${whole(mutations.at(-1)?.requestsPerSecond ?? 0)} jobs/s, bare ${whole(bare.at(-1)?.jobsPerSecond ?? 0)}`,
    )
  }
  await server.stop()
  await postgres.stop()
  const rate = median(mutations.map(({ requestsPerSecond }) => requestsPerSecond))
  const baseline = median(bare.map(({ jobsPerSecond }) => jobsPerSecond))
  const of = (pick: (figures: HttpFigures) => number): number => median(mutations.map(pick))
  return [
    '## Jobs queued',
    '',
    `${inFlight} under way at once, by POST of \`enqueueAnalysis\` and by graphile-worker's \`addJob\`, on one Postgres without workers.`,
    `Medians of ${rounds} rounds of ${durationMs / 1000} s in turns.`,
    '',
    table(
      ['', 'jobs/s', '÷ addJob', 'p50 ms', 'p99 ms', 'process CPU, cores'],
      [
        [
          'Finstage, by GraphQL over HTTP',
          whole(rate),
          fixed(rate / baseline, 2),
          fixed(
            of(({ p50Ms }) => p50Ms),
            1,
          ),
          fixed(
            of(({ p99Ms }) => p99Ms),
            1,
          ),
          fixed(
            of(({ cpu }) => cpu.server),
            2,
          ),
        ],
        ['graphile-worker’s addJob', whole(baseline), '1.00', '', '', ''],
      ],
    ),
  ].join('\n')
}
