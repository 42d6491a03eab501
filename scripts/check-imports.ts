// Holds the rooms of the house: imports run downwards, never in circles, and enter a room by its doors. Exits with 1 where one does not.
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { cruise, type IForbiddenRuleType } from 'dependency-cruiser'

/**
 * The folders of src/, and single files where they stand apart from their folder, from top to bottom. A file imports only from
 * its own folder and from those below it. Why they stand so: docs/architecture.md.
 */
const rooms = [
  'src',
  'src/app',
  'src/http/server',
  'src/http/sse',
  'src/http/websocket',
  'src/http/sharing',
  'src/http/pipeline',
  'src/http/pipeline/price',
  'src/http/answers',
  'src/http/connections',
  'src/http/access',
  'src/schema/index.ts',
  'src/schema/jobs',
  'src/schema/market',
  'src/schema',
  'src/schema/price',
  'src/resolvers/jobs',
  'src/resolvers/market',
  'src/resolvers',
  'src/jobs/tasks',
  'src/jobs',
  'src/jobs/queue',
  'src/market/market-service.ts',
  'src/market/live-candles',
  'src/market/candles',
  'src/market/quotes',
  'src/market/yahoo/source.ts',
  'src/market/yahoo/live',
  'src/market/yahoo/calls',
  'src/market/yahoo',
  'src/market/simulated',
  'src/market/simulated/instruments',
  'src/market/simulated/walks',
  'src/market',
  'src/stream',
  'src/stream/seats',
  'src/store/migrations.ts',
  'src/store/analyses',
  'src/store/jobs',
  'src/store/candles',
  'src/store',
  'src/analysis',
  'src/analysis/indicators',
  'src/platform/embedded-postgres',
  'src/platform/database',
  'src/platform/concurrency',
  'src/platform',
  'src/domain/analysis',
  'src/domain',
  'src/domain/sessions',
  'src/domain/exchange-calendar',
  'src/domain/time',
]

/** Of these folders, with all that is in them, other folders see only the files named here. */
const doors: Readonly<Record<string, readonly string[]>> = {
  'src/http/server': ['api-server.ts', 'health.ts', 'metrics-server.ts', 'rehearsal.ts'],
  'src/http/sse': ['event-streams.ts'],
  'src/http/websocket': ['endpoint.ts'],
  'src/http/sharing': ['subscriptions.ts', 'operation.ts'],
  'src/jobs/queue': ['define-task.ts', 'runner.ts', 'schedule.ts', 'idle-pace.ts', 'parse-input.ts'],
  'src/market/live-candles': ['live-candles.ts'],
  'src/market/candles': ['service.ts'],
  'src/market/quotes': ['cache.ts', 'guard.ts', 'guarded-feed.ts', 'day-volume.ts'],
  'src/market/yahoo': ['source.ts'],
  'src/market/simulated': ['source.ts'],
  'src/store/candles': ['candle-store.ts', 'series.ts'],
  'src/analysis/indicators': [
    'catalogue.ts',
    'columns.ts',
    'indicator.ts',
    'points.ts',
    'momentum.ts',
    'moving-averages.ts',
    'volatility.ts',
  ],
  'src/platform/database': ['pool.ts', 'own-connection.ts', 'outage.ts', 'probe.ts', 'metrics.ts'],
  'src/platform/embedded-postgres': ['server.ts'],
}

const maxFilesPerFolder = 16
/** Their folders are bounded too; what they import is their own affair. */
const beside = ['test', 'bench', 'scripts', 'examples']

const filesUnder = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${root}/${path}`)

const sources = filesUnder('src')

const escaped = (path: string): string => path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
const apart = rooms.filter((room) => room.endsWith('.ts')).map((file) => `^${escaped(file)}$`)

/** What a rule needs to know the files of a room. */
function filesOf(room: string): { path: string; pathNot?: string[] } {
  return room.endsWith('.ts') ? { path: `^${escaped(room)}$` } : { path: `^${escaped(room)}/[^/]+$`, pathNot: apart }
}

const forbidden: IForbiddenRuleType[] = [
  { name: 'circle', severity: 'error', from: {}, to: { circular: true } },
  ...rooms.flatMap((room, i) =>
    rooms.slice(0, i).map(
      (above): IForbiddenRuleType => ({
        name: `upwards from ${room} to ${above}`,
        severity: 'error',
        from: filesOf(room),
        to: filesOf(above),
      }),
    ),
  ),
  ...Object.entries(doors).map(
    ([room, names]): IForbiddenRuleType => ({
      name: `past the doors of ${room}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^${escaped(room)}/` },
      to: { path: `^${escaped(room)}/`, pathNot: names.map((name) => `^${escaped(`${room}/${name}`)}$`) },
    }),
  ),
]

// SWC parses: dependency-cruiser knows TypeScript only below 7.
const { output } = await cruise(['src'], {
  ruleSet: { forbidden },
  validate: true,
  parser: 'swc',
  tsPreCompilationDeps: true,
  doNotFollow: { path: 'node_modules' },
  enhancedResolveOptions: { extensions: ['.ts'] },
})
if (typeof output === 'string') throw new Error('dependency-cruiser has answered with text')

const faults = output.summary.violations.map(({ rule, from, to, cycle }) => {
  const way = cycle ? cycle.map(({ name }) => name) : [to]
  return `${rule.name}: ${[from, ...way].join(' -> ')}`
})

const seen = new Set(output.modules.map(({ source }) => source))
for (const file of sources) {
  if (!seen.has(file)) faults.push(`not seen by dependency-cruiser: ${file}`)
  if (!rooms.includes(file) && !rooms.includes(dirname(file)))
    faults.push(`in no room of scripts/check-imports.ts: ${file}`)
}

// The packages of the peers lie below bench/, installed where the benchmarks have run.
const besides = beside.flatMap(filesUnder).filter((file) => !file.includes('node_modules'))
const folders = Map.groupBy([...sources, ...besides], (file) => dirname(file))
for (const [folder, { length }] of folders) {
  if (length > maxFilesPerFolder)
    faults.push(`more than ${maxFilesPerFolder} files side by side: ${folder} has ${length}`)
}

console.log(faults.length === 0 ? `The imports of ${sources.length} files keep to the rooms.` : faults.join('\n'))
if (faults.length > 0) process.exitCode = 1
