import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, stat } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Registry } from 'prom-client'
import { calendarFor } from '../../../src/domain/sessions/session-hours.ts'
import { CalendarDifferences } from '../../../src/market/yahoo/calendar-differences.ts'
import { startApp } from '../../support/app.ts'
import { eventually, post, subscribe } from '../../support/clients/client.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { copyPostgres } from '../../support/database/own-postgres.ts'
import { type Family, familiesOf, hasPromtool, promtool } from '../../support/prometheus.ts'
import { startTestStreamer } from '../../support/yahoo/test-streamer.ts'
import { startTestYahoo } from '../../support/yahoo/test-yahoo.ts'

const database = await createTestDatabase()
const yahoo = await startTestYahoo()
const streamer = await startTestStreamer()
const shared = await startApp({
  DATABASE_URL: database.url,
  YAHOO_BASE_URL: yahoo.url,
  YAHOO_STREAM_URL: streamer.url,
})
const directory = mkdtempSync(join(tmpdir(), 'finstage-metrics-'))
copyPostgres(directory)
const embedded = await startApp({
  MARKET_SOURCE: 'simulated',
  DATA_DIR: directory,
  MAX_POINTS_PER_OPERATION: '100',
})
after(async () => {
  await embedded.stop()
  await shared.stop()
  await streamer.close()
  await yahoo.close()
  await database[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

/** Causes one of everything that has labels which only come with it. */
async function useEverything(): Promise<void> {
  await post(shared.api, '{ quote(symbol: "AAPL") { price } }')
  await post(shared.api, '{ nothing }')
  await post(shared.api, '{ candles(symbol: "AAPL", last: 10) { nodes { close } } }')
  await post(embedded.api, '{ candles(symbol: "AAPL", last: 20000) { nodes { close } } }')
  await using prices = subscribe(shared.api, 'subscription { priceUpdates(symbols: ["AAPL"]) { price } }')
  await prices.next()
  yahoo.fault('chart', { hang: 'answer' })
  const input = { symbols: ['MSFT'], timeoutSeconds: 1, maxAttempts: 1 }
  const { errors } = await post(
    shared.api,
    'mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { ... on EnqueuePayload { job { id } } } }',
    { input },
  )
  assert.equal(errors, undefined)
  await eventually(async () => (await scrape(shared.metrics)).includes('finstage_job_failures_total{'), 'a failed job')
  yahoo.clearFaults()
}

async function scrape(metrics: string): Promise<string> {
  // libuv then has requests under way.
  let isOver = false
  const look = (): unknown => isOver || stat(process.execPath, look)
  for (let i = 0; i < 20; i++) look()
  const text = await (await fetch(`${metrics}/metrics`)).text()
  isOver = true
  return text
}

/** Differences with calendars take a holiday to come about. */
async function calendarDifferences(): Promise<string> {
  const registry = new Registry()
  const calendar = calendarFor({ exchange: 'NMS', timezone: 'America/New_York' })
  assert.ok(calendar)
  new CalendarDifferences(undefined, registry).count(calendar, 'missing session', 0, 'AAPL')
  return registry.metrics()
}

const labelsOf = ({ samples }: Family): string[] =>
  samples.flatMap(({ labels }) => Object.keys(labels)).filter((label) => label !== 'le')

/** A line for each metric: name, type, labels. */
const listed = (metrics: ReadonlyMap<string, { type: string; labels: ReadonlySet<string> }>): string[] =>
  [...metrics].map(([name, { type, labels }]) => `${name} ${type} ${[...labels].sort()}`).sort()

function tabled(): string[] {
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const rows = page.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| [^|]+ \|([^|]*)\| [^|]+ \|$/gm)
  return listed(
    new Map(
      Array.from(rows, ([, name = '', type = '', labels = '']) => [
        name,
        { type, labels: new Set(labels.split(',').flatMap((label) => label.trim() || [])) },
      ]),
    ),
  )
}

test('the table of metrics has each metric of the live output, with its type and labels, and no other', async () => {
  await useEverything()
  const texts = [await scrape(shared.metrics), await scrape(embedded.metrics), await calendarDifferences()]
  const live = new Map<string, { type: string; labels: Set<string> }>()
  for (const family of texts.flatMap(familiesOf)) {
    const { labels } = live.get(family.name) ?? { labels: [] }
    live.set(family.name, { type: family.type, labels: new Set([...labels, ...labelsOf(family)]) })
  }
  assert.deepEqual(listed(live), tabled())
})

test('names, types and units pass promtool check metrics', {
  skip: !hasPromtool && 'promtool is not installed',
}, async () => {
  for (const { metrics } of [shared, embedded]) {
    const { isClean, output } = promtool(['check', 'metrics'], await scrape(metrics))
    assert.ok(isClean && output === '', output)
  }
})

test('the longest turn of the event loop is told to two scrapers, and the time that it was busy grows', async () => {
  const value = async (name: string): Promise<number> =>
    familiesOf(await scrape(shared.metrics)).find((family) => family.name === name)?.samples[0]?.value ?? Number.NaN
  const busyBefore = await value('finstage_event_loop_busy_seconds_total')
  const untilMs = performance.now() + 300
  while (performance.now() < untilMs);
  await new Promise((resolve) => setTimeout(resolve, 30))
  for (let scraper = 0; scraper < 2; scraper++) {
    const longest = await value('finstage_event_loop_longest_turn_seconds')
    assert.ok(longest >= 0.28, `${longest} s`)
  }
  assert.ok((await value('finstage_event_loop_busy_seconds_total')) >= busyBefore + 0.28)
})
