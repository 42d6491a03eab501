// Brings each fault about under a real Prometheus and Alertmanager, and tells which alert came when. docs/runbook.md explains it.
// usage: npm run drill -- [--only Alert,Alert] [--healthy minutes]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { dashboardQueries, queriesWithoutData } from './dashboard.ts'
import { type Fault, faults } from './faults.ts'
import { startLoad } from './load.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { type Stage, setStage } from './stage.ts'
import { startWatchers } from './watchers.ts'

/** The usual rate of a symbol is learnt within two minutes of its being watched. */
const warmUpMs = 150_000
const alertWithinMs = 180_000
/** The window of five minutes, the interval of a group, and a little. */
const resolvedWithinMs = 400_000

const { values } = parseArgs({ options: { only: { type: 'string' }, healthy: { type: 'string' } } })
const only = values.only?.split(',')
const healthyMinutes = values.healthy === undefined ? null : Number(values.healthy)

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

/** Returns whether every alert of the fault came and was resolved. */
async function bringAbout(fault: Fault, stage: Stage, receiver: Receiver): Promise<boolean> {
  const { what, alerts, slow = [], lasting = [], cause } = fault
  say(`\n${what}`)
  const expected = [...alerts, ...slow, ...lasting]
  const causedMs = performance.now()
  let isFine = true
  let end: Awaited<ReturnType<typeof cause>> = null
  try {
    end = await cause(stage)
    for (const name of expected) {
      const fired = await receiver.delivery(name, 'firing', causedMs, alertWithinMs)
      say(fired ? `  ${name}: after ${seconds(fired.atMs - causedMs)}: ${fired.summary}` : `  ${name}: NOT DELIVERED`)
      isFine &&= fired !== null
    }
  } catch (error) {
    say(`  could not be brought about: ${error}`)
    isFine = false
  }
  await end?.()
  const endedMs = performance.now()
  for (const name of alerts) {
    const hasFired = receiver.deliveries.some((each) => each.name === name && each.atMs >= causedMs)
    if (hasFired) isFine = (await isResolved(name, receiver, causedMs, endedMs)) && isFine
  }
  for (const name of slow) say(`  ${name}: see the end`)
  for (const name of lasting) say(`  ${name}: ends when its window of hours has passed, which is not waited for`)
  const others = receiver.deliveries.filter(
    ({ name, status, atMs }) => status === 'firing' && atMs >= causedMs && !expected.includes(name),
  )
  if (others.length > 0) say(`  came with it: ${[...new Set(others.map(({ name }) => name))].join(', ')}`)
  return isFine
}

async function isResolved(name: string, receiver: Receiver, causedMs: number, endedMs: number): Promise<boolean> {
  const resolved = await receiver.delivery(name, 'resolved', causedMs, resolvedWithinMs)
  say(resolved ? `  ${name}: resolved ${seconds(resolved.atMs - endedMs)} after the end` : `  ${name}: NOT RESOLVED`)
  return resolved !== null
}

/** Returns whether no alert came. */
async function stayHealthy(minutes: number, receiver: Receiver): Promise<boolean> {
  const untilMs = performance.now() + minutes * 60_000
  while (performance.now() < untilMs) await sleep(Math.min(60_000, Math.max(0, untilMs - performance.now())))
  for (const { name, status, summary } of receiver.deliveries) say(`  ${status}: ${name}: ${summary}`)
  const count = receiver.deliveries.filter(({ status }) => status === 'firing').length
  say(`${count} alerts in ${minutes} minutes`)
  return count === 0
}

async function drill(stack: AsyncDisposableStack): Promise<boolean> {
  const directory = stack.adopt(mkdtempSync(join(tmpdir(), 'finstage-drill-')), (directory) =>
    rmSync(directory, { recursive: true, force: true }),
  )
  const chosen = faults.filter(({ alerts, slow = [], lasting = [] }) =>
    only ? only.some((name) => [...alerts, ...slow, ...lasting].includes(name)) : healthyMinutes === null,
  )
  const startedMs = Date.now()
  const stage = stack.adopt(await setStage(directory), (stage) => stage.close())
  const receiver = stack.adopt(await startReceiver(), (receiver) => receiver.close())
  const load = stack.adopt(
    await startLoad(stage.api, {
      quotesPerSecond: healthyMinutes === null ? 10 : 50,
      followers: healthyMinutes === null ? 2 : 20,
      jobsPerMinute: 6,
    }),
    (load) => load.stop(),
  )
  const watchers = stack.adopt(
    await startWatchers(join(directory, 'watchers'), stage.targets, receiver.url),
    (watchers) => watchers.stop(),
  )
  say(`Prometheus at ${watchers.url}, GraphQL at ${stage.api}/graphql`)
  let isFine = true
  if (healthyMinutes !== null) isFine = await stayHealthy(healthyMinutes, receiver)
  else {
    const warmAtMs = performance.now() + warmUpMs
    for (const fault of chosen) {
      if (fault.alerts.includes('FeedDripping')) await sleep(Math.max(0, warmAtMs - performance.now()))
      isFine = (await bringAbout(fault, stage, receiver)) && isFine
    }
    const endedMs = performance.now()
    const slow = chosen.flatMap(({ slow = [] }) => slow)
    if (slow.length > 0) say('\nall faults are over')
    for (const name of slow) isFine = (await isResolved(name, receiver, 0, endedMs)) && isFine
  }
  say(`\nload: ${load.counts.answered} operations answered, ${load.counts.failed} failed`)
  if (only === undefined) {
    const without = await queriesWithoutData(watchers.url, startedMs)
    say(`dashboard: ${dashboardQueries().length - without.length} of ${dashboardQueries().length} queries return data`)
    for (const { panel, expr, why } of without) say(`  ${panel}: ${expr}: ${why}`)
    // Without faults there are no errors to show.
    if (healthyMinutes === null) isFine &&= without.length === 0
  }
  return isFine
}

const stack = new AsyncDisposableStack()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(1)))
}
try {
  if (!(await drill(stack))) process.exitCode = 1
} finally {
  await stack.disposeAsync()
}
say(process.exitCode === 1 ? 'The drill has failed' : 'The drill went as it should')
