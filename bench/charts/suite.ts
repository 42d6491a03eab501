import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { collectionsOf, type Memory, pausedMs, watchCollections } from '../support/inspector.ts'
import { boundBy, quiet } from '../support/machine.ts'
import { runLoad, startFinstage } from '../support/processes.ts'
import { fixed, median, percentile, table, whole } from '../support/table.ts'
import type { Contestant, LoadFigures, RoundFigures } from './load.ts'
import { longSymbol, symbolAt } from './market.ts'
import type { QuotesFigures, QuotesLoad } from './quotes-load.ts'
import { type Build, commitBefore, inSetting, run, type Setting } from './setting.ts'
import { longChart } from './shapes.ts'
import type { StartsFigures, StartsLoad } from './starts-load.ts'

/** A ratio or figure of each round, and what its median must reach. */
interface Criterion {
  readonly values: readonly number[]
  readonly wanted: number
  readonly unit: string
  readonly isAtMost?: boolean
}

interface Row {
  readonly work: string
  readonly now: string
  readonly before?: string
  readonly mercurius?: string
  readonly bare?: string
  readonly library?: string
  readonly criteria: readonly Criterion[]
}

type Part = (setting: Setting, progress: (text: string) => void) => Promise<readonly Row[]>

const atLeast = (wanted: number, unit: string, values: readonly number[]): Criterion => ({ values, wanted, unit })
const atMost = (wanted: number, unit: string, values: readonly number[]): Criterion => ({
  ...atLeast(wanted, unit, values),
  isAtMost: true,
})

const five = 'SMA, EMA, RSI, MACD and Bollinger bands'

/** 1,000 candles by column: symbols by Zipf's law, and one hot symbol. */
const columns: Part = async (setting) => {
  const rows: Row[] = []
  for (const picks of ['zipf', 'hot'] as const) {
    const figures = await run(setting, contestantsOf(setting, 'columns', picks))
    const work = `1,000 candles by column, ${picks === 'zipf' ? 'symbols by Zipf’s law' : 'one hot symbol'}`
    const bareWanted = picks === 'zipf' ? 1 : 1.2
    const criteria = [
      ...(picks === 'zipf' ? [atLeast(12, '× before', ratio(figures, 'this build', 'before'))] : []),
      atLeast(bareWanted, '× node:http', ratio(figures, 'this build', 'node:http')),
    ]
    rows.push({ work, ...cells(figures), criteria })
  }
  return rows
}

/** The same with five indicators: by column, as points, and with parameters that nobody has asked for. */
const indicators: Part = async (setting) => {
  const { now, before, mercurius } = setting
  const points: Contestant[] = [
    { name: 'this build, points', server: now.server, asksSource: true, shape: 'points', picks: 'zipf' },
    { name: 'before, points', server: before.server, asksSource: true, shape: 'points', picks: 'zipf' },
    ...(mercurius ? [{ name: 'Mercurius, points', server: mercurius, shape: 'points', picks: 'zipf' } as const] : []),
  ]
  const unseen: Contestant[] = [
    { name: 'this build, unseen', server: now.server, asksSource: true, shape: 'unseen', picks: 'turns' },
    { name: 'library', server: null, shape: 'unseen', picks: 'turns' },
  ]
  // The commit before has indicators as points only.
  const byColumn = contestantsOf(setting, 'indicators', 'zipf').filter(({ name }) => name !== 'before')
  const figures = await run(setting, [...byColumn, ...points, ...unseen])
  return [
    {
      work: `with ${five}, parameters asked before, by column (before: points)`,
      ...cells(figures),
      before: perSecond(figures['before, points']),
      criteria: [
        atLeast(12, '× before', ratio(figures, 'this build', 'before, points')),
        atLeast(1.5, '× node:http', ratio(figures, 'this build', 'node:http')),
      ],
    },
    {
      work: 'the same, parameters never asked before, each symbol in turn',
      now: perSecond(figures['this build, unseen']),
      library: perSecond(figures.library),
      criteria: [atMost(3.5, '× the library’s time', ratio(figures, 'library', 'this build, unseen'))],
    },
    {
      work: `with ${five}, as points`,
      ...cells(figures, ', points'),
      criteria: [atLeast(2.5, '× before', ratio(figures, 'this build, points', 'before, points'))],
    },
  ]
}

const boards: Part = async (setting) => {
  const figures = await run(setting, contestantsOf(setting, 'board', 'boards'))
  return [
    {
      work: 'a board of 50 symbols with quotes and 30 closes each',
      ...cells(figures),
      criteria: [atLeast(8, '× before', ratio(figures, 'this build', 'before'))],
    },
  ]
}

/** A chart that nobody has asked for, and the first request of a process. */
const starts: Part = async (setting, progress) => {
  const { now, before, pace, source, settings, directory } = setting
  const builds = [now, before]
  const cold: StartsFigures[] = []
  const first = { 'this build': [] as number[], before: [] as number[] }
  const ask = (servers: StartsLoad['servers'], symbols: readonly string[]): Promise<StartsFigures> =>
    runLoad<StartsLoad, StartsFigures>('../charts/starts-load.ts', {
      servers,
      sourceUrl: source.url,
      symbols,
      durationMs: 60_000,
    })
  async function firstOf({ name, root }: Build): Promise<number> {
    const data = join(directory, `first-${name.replace(' ', '-')}`)
    const server = await startFinstage({ ...settings, DATA_DIR: data }, { root })
    try {
      await quiet()
      const { tookMs } = await ask([{ name, url: server.url }], [symbolAt(0)])
      return tookMs[name]?.[0] ?? Number.NaN
    } finally {
      await server.stop()
    }
  }
  // Afterwards their candles are stored.
  for (const build of builds) await firstOf(build)
  for (let round = 0; round < pace.rounds; round++) {
    await quiet()
    const servers = builds.map(({ name, server }) => ({ name, url: server.url }))
    cold.push(await ask(servers, source.fresh(pace.coldCharts)))
    for (const build of round % 2 === 0 ? builds : builds.toReversed()) first[build.name].push(await firstOf(build))
    progress(
      `charts, round ${round + 1}: first requests ${builds.map(({ name }) => `${fixed(first[name].at(-1) ?? Number.NaN, 1)} ms (${name})`).join(', ')}`,
    )
  }
  for (const { name } of builds) rmSync(join(directory, `first-${name.replace(' ', '-')}`), { recursive: true })
  const coldMs = (name: string): number[] => cold.map(({ tookMs }) => median(tookMs[name] ?? []))
  const sourceMs = median(cold.map((figures) => median(figures.sourceMs)))
  return [
    {
      work: `cold: never asked for, one after another, p50; the same fetch of the source alone takes ${fixed(sourceMs, 1)} ms`,
      now: milliseconds(coldMs('this build')),
      before: milliseconds(coldMs('before')),
      criteria: [atLeast(0.95, '× as fast as before', divided(coldMs('before'), coldMs('this build')))],
    },
    {
      work: 'first request after a start, of a stored chart',
      now: milliseconds(first['this build']),
      before: milliseconds(first.before),
      criteria: [atLeast(2, '× as fast as before', divided(first.before, first['this build']))],
    },
  ]
}

const quotesPerSecond = 250

/** Quotes by the clock beside one client of charts that use the whole row budget. */
const quotes: Part = async ({ now, before, pace }, progress) => {
  const kinds = [
    { build: now, form: 'columns' },
    { build: now, form: 'points' },
    { build: before, form: 'points' },
  ] as const
  for (const { server } of [now, before]) await watchCollections(server.inspector ?? '')
  const added = kinds.map(() => ({ whole: [] as number[], apart: [] as number[] }))
  const idles = kinds.map((): number[] => [])
  for (let round = 0; round < pace.rounds; round++) {
    for (const [at, { build, form }] of kinds.entries()) {
      await quiet()
      const idle = await quotesOnce(build, null, pace.quotes)
      const beside = await quotesOnce(build, longChart[form], pace.quotes)
      idles[at]?.push(idle.whole)
      added[at]?.whole.push(beside.whole - idle.whole)
      added[at]?.apart.push(beside.apart - idle.apart)
      progress(
        `charts, round ${round + 1}, ${build.name}: p99 of quotes ${fixed(beside.whole, 1)} ms beside ${beside.charts} charts by ${form}, ${fixed(beside.apart, 1)} without collections, ${fixed(idle.whole, 1)} idle`,
      )
    }
  }
  const cell = (at: number): string =>
    `+${fixed(median(added[at]?.apart ?? []), 1)} ms (with collections +${fixed(median(added[at]?.whole ?? []), 1)}; idle ${fixed(median(idles[at] ?? []), 1)})`
  const work = 'p99 of 250 quotes/s above idle, beside one client of charts of 20,000 rows with 20 indicators'
  return [
    { work: `${work}, by column`, now: cell(0), criteria: [atMost(20, 'ms', added[0]?.apart ?? [])] },
    { work: `${work}, as points`, now: cell(1), before: cell(2), criteria: [atMost(20, 'ms', added[1]?.apart ?? [])] },
  ]
}

async function quotesOnce({ server }: Build, query: string | null, samples: number) {
  const inspector = server.inspector ?? ''
  await collectionsOf(inspector)
  const figures = await runLoad<QuotesLoad, QuotesFigures>('../charts/quotes-load.ts', {
    url: server.url,
    symbol: symbolAt(0),
    chart: query === null ? null : { query, symbol: longSymbol, rows: longChart.rows },
    ratePerSecond: quotesPerSecond,
    samples,
    durationMs: 60_000,
  })
  const collections = await collectionsOf(inspector)
  return {
    whole: percentile(
      figures.quotes.map(([, tookMs]) => tookMs),
      0.99,
    ),
    apart: percentile(
      figures.quotes.map(([dueMs, tookMs]) => tookMs - pausedMs(collections, dueMs, dueMs + tookMs)),
      0.99,
    ),
    charts: figures.charts,
  }
}

const mebibyte = 1_048_576

/** Measured when the servers were filled. */
const memory: Part = async ({ now, before, pace }) => {
  const added = ({ idle, filled }: Build, of: (memory: Memory) => number): number => (of(filled) - of(idle)) / mebibyte
  const managed = ({ heapUsed, external }: Memory): number => heapUsed + external
  const cell = (build: Build): string =>
    `${fixed(added(build, managed), 1)} MiB (resident ${fixed(
      added(build, ({ rss }) => rss),
      1,
    )})`
  return [
    {
      work: `memory of ${whole(pace.symbols)} series of 1,000 candles, heap and buffers above idle, once`,
      now: cell(now),
      before: cell(before),
      criteria: [atMost(128, 'MiB', [added(now, managed)])],
    },
  ]
}

/** What compression saves and costs, and answers that need no body. */
const transfer: Part = async (setting) => {
  const { server } = setting.now
  const wanted = { zstd: [31, 0.2], br: [33, 0.5], gzip: [36, 0.6] } as const
  const names = ['zstd', 'br', 'gzip'] as const
  const figures = await run(setting, [
    ...(['identity', ...names] as const).map(
      (encoding): Contestant => ({ name: encoding, server, shape: 'columns', picks: 'hot', encoding }),
    ),
    { name: '304', server, shape: 'range', picks: 'hot', get: 'revalidated' },
    { name: 'quotes', server, shape: 'quote', picks: 'hot', get: 'plain' },
  ])
  const plain = figures.identity ?? []
  const compressed = names.map((name): Row => {
    const rounds = figures[name] ?? []
    const share = rounds.map(({ bytes }, round) => (100 * bytes) / (plain[round]?.bytes ?? Number.NaN))
    const cpuMs = rounds.map(({ serverMicros }, round) => (serverMicros - (plain[round]?.serverMicros ?? 0)) / 1000)
    return {
      work: `a random walk of 1,000 candles, ${fixed(median(plain.map(({ bytes }) => bytes)) / 1000, 1)} kB, by ${name}`,
      now: perSecond(rounds),
      criteria: [atMost(wanted[name][0], '% of the bytes', share), atMost(wanted[name][1], 'ms of CPU', cpuMs)],
    }
  })
  return [
    ...compressed,
    {
      work: '304 for 1,000 final candles by GET; quotes by GET beside it',
      now: `${perSecond(figures['304'])}; ${perSecond(figures.quotes)}`,
      criteria: [atLeast(0.9, '× quotes', ratio(figures, '304', 'quotes'))],
    },
  ]
}

type Measure = (directory: string, progress: (text: string) => void, isQuick: boolean) => Promise<string>

const measuring =
  (parts: readonly Part[]): Measure =>
  (directory, progress, isQuick) =>
    inSetting(directory, progress, isQuick, async (setting) => {
      const rows: Row[] = []
      for (const part of parts) {
        const found = await part(setting, progress)
        rows.push(...found)
        for (const { work, now, criteria } of found) {
          progress(`charts: ${work}: ${now}; ${criteria.map((each) => `${reached(each)}: ${isMet(each)}`).join('; ')}`)
        }
      }
      return report(setting, rows)
    })

/** All parts over the same servers. */
export const measureCharts = measuring([columns, indicators, boards, starts, quotes, memory, transfer])

/** Each part by itself. */
export const chartParts = {
  'chart-columns': measuring([columns]),
  'chart-indicators': measuring([indicators]),
  'chart-boards': measuring([boards]),
  'chart-starts': measuring([starts]),
  'chart-quotes': measuring([quotes]),
  'chart-memory': measuring([memory]),
  'chart-transfer': measuring([transfer]),
}

function report({ pace, source, mercurius }: Setting, rows: readonly Row[]): string {
  const { rounds, symbols, roundMs } = pace
  return [
    '## Charts',
    '',
    `Answers a second where nothing else is said: 16 connections that each ask again when they have their answer, without compression, every answer checked; each server with its Postgres on the same core. Symbols are ${whole(symbols)}, drawn by Zipf’s law.`,
    `Before: commit ${commitBefore}. ${mercurius ? 'Mercurius compiles queries; it' : 'Mercurius is not installed. It'} and node:http have their columns ready in memory.`,
    `A server in this process plays Yahoo. Open candles move once a second, and Finstage asks for them again when they are 15 s old. It was asked for ${whole(source.calls)} charts in this run.`,
    `Medians of ${rounds} rounds of ${roundMs / 1000} s in turns; in brackets the worst and the best round. “Or more”: the load client’s core was full. Jobs are in \`--only analysis\`.`,
    '',
    table(
      ['work', 'this build', 'before', 'Mercurius', 'node:http', 'technicalindicators', 'measured', 'wanted', 'met'],
      rows.map(({ work, now, before = '', mercurius = '', bare = '', library = '', criteria }) => [
        work,
        ...[now, before, mercurius, bare, library],
        criteria.map(reached).join('; '),
        criteria.map(({ wanted, unit, isAtMost }) => `${isAtMost ? 'at most ' : ''}${wanted} ${unit}`).join('; '),
        criteria.map(isMet).join('; '),
      ]),
    ),
  ].join('\n')
}

function reached({ values, unit, isAtMost }: Criterion): string {
  const digits = unit === 'MiB' || unit === 'ms' || unit.startsWith('%') ? 1 : 2
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const range =
    values.length > 1 ? ` (${fixed(isAtMost ? most : least, digits)} to ${fixed(isAtMost ? least : most, digits)})` : ''
  return `${fixed(median(values), digits)} ${unit}${range}`
}

const isMet = ({ values, wanted, isAtMost }: Criterion): string =>
  (isAtMost ? median(values) <= wanted : median(values) >= wanted) ? 'yes' : 'no'

function contestantsOf(
  { now, before, bare, mercurius }: Setting,
  shape: Contestant['shape'],
  picks: Contestant['picks'],
): Contestant[] {
  return [
    { name: 'this build', server: now.server, asksSource: true, shape, picks },
    { name: 'before', server: before.server, asksSource: true, shape, picks },
    ...(mercurius ? [{ name: 'Mercurius', server: mercurius, shape, picks }] : []),
    { name: 'node:http', server: bare, shape, picks },
  ]
}

/** How many times as many answers a second, round by round. */
const ratio = (figures: LoadFigures, name: string, other: string): number[] =>
  divided(rates(figures[name]), rates(figures[other]))

const divided = (values: readonly number[], by: readonly number[]): number[] =>
  values.map((value, round) => value / (by[round] ?? Number.NaN))

const rates = (rounds: readonly RoundFigures[] = []): number[] => rounds.map((round) => round.perSecond)

/** A load client whose core is full has measured itself. */
function perSecond(rounds: readonly RoundFigures[] | undefined): string {
  if (!rounds) return ''
  const isClientFull = boundBy({ server: 0, client: median(rounds.map(({ clientCpu }) => clientCpu)) }) !== 'neither'
  return `${whole(median(rates(rounds)))}/s${isClientFull ? ' or more' : ''}`
}

const milliseconds = (values: readonly number[]): string => `${fixed(median(values), 1)} ms`

const cells = (figures: LoadFigures, suffix = '') => ({
  now: perSecond(figures[`this build${suffix}`]),
  before: perSecond(figures[`before${suffix}`]),
  mercurius: perSecond(figures[`Mercurius${suffix}`]),
  bare: perSecond(figures[`node:http${suffix}`]),
})
