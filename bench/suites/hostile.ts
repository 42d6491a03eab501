import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { attacks } from '../loads/attacks.ts'
import type { HostileFigures, HostileLoad, Quotes } from '../loads/hostile.ts'
import { checkedOut } from '../support/baseline.ts'
import { type Collection, collectionsOf, pausedMs, watchCollections } from '../support/inspector.ts'
import { quiet, root } from '../support/machine.ts'
import { runLoad, startFinstage } from '../support/processes.ts'
import { fixed, median, percentile, table, whole } from '../support/table.ts'

/** The commit before clients took turns. */
const commitBefore = '167552d'
const minuteMs = 60_000
/** A good client's p99 may be so much longer than without the attack, collections of garbage apart. */
const wantedMs = 20

interface Pace {
  readonly rounds: number
  readonly calmMs: number
  readonly attackMs: number
}

const thorough: Pace = { rounds: 3, calmMs: 2000, attackMs: 10_000 }
const quick: Pace = { rounds: 1, calmMs: 500, attackMs: 3000 }

interface Figures {
  /** p99 without the attack, and beside it, both without the time of collections. */
  readonly calmMs: number
  readonly besideMs: number
  /** Beside it with collections. */
  readonly wholeMs: number
  readonly p50Ms: number
  readonly failed: number
  readonly answeredPerSecond: number
  readonly attacker: string
  /** null: the server has lived. */
  readonly death: string | null
}

/**
 * What each attack does to a good client's quotes, at this and at the old commit in turns, each time with a new server.
 */
export async function measureHostile(
  directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const pace = isQuick ? quick : thorough
  const before = checkedOut(commitBefore, directory)
  const builds = [
    { name: 'before', root: before.root },
    { name: 'now', root },
  ]
  const figures = new Map<string, Figures[]>()
  try {
    for (let round = 1; round <= pace.rounds; round++) {
      for (const attack of Object.keys(attacks)) {
        for (const build of builds) {
          await quiet()
          const figure = await attackOnce(build.root, attack, pace, join(directory, 'attacked'))
          const key = `${attack} ${build.name}`
          figures.set(key, [...(figures.get(key) ?? []), figure])
          progress(
            `hostile, round ${round}, ${key}: p99 ${fixed(figure.besideMs, 1)} ms (${fixed(figure.calmMs, 1)} without, ${fixed(figure.wholeMs, 1)} with collections), ${figure.death ?? figure.attacker}`,
          )
        }
      }
    }
  } finally {
    before.remove()
  }
  const rows = Object.keys(attacks).map((attack) => {
    const columns = builds.flatMap(({ name }) => columnsOf(figures.get(`${attack} ${name}`) ?? []))
    const added = median((figures.get(`${attack} now`) ?? []).map(addedMs))
    return [attack, ...columns, added <= wantedMs ? 'yes' : 'no']
  })
  return [
    '## Hostile requests',
    '',
    `A good client asks for a quote every 20 ms, ${pace.calmMs / 1000} s by itself and ${pace.attackMs / 1000} s beside an attacker at another address. Wanted: a p99 at most ${wantedMs} ms longer beside the attacker.`,
    `Before: commit ${commitBefore}. p99 without the time in which the server collected garbage; in brackets with it. A quote that is not answered in the end counts with the time that it has waited: the true p99 is longer.`,
    `Medians of ${pace.rounds} rounds in turns, a new server for each; of failed quotes the most; of the attacker, the first round.`,
    '',
    table(['attack', ...head.map((name) => `before: ${name}`), ...head.map((name) => `now: ${name}`), 'met'], rows),
  ].join('\n')
}

const head = ['p99 ms added', 'p50 ms', 'failed', 'attacker’s answers/s', 'attacker']

const signed = (ms: number): string => `${ms < 0 ? '' : '+'}${fixed(ms, 1)}`

const addedMs = ({ besideMs, calmMs }: Figures): number => besideMs - calmMs

function columnsOf(runs: readonly Figures[]): string[] {
  const of = (pick: (figures: Figures) => number): number => median(runs.map(pick))
  const died = runs.find(({ death }) => death !== null)
  if (died) return [`died: ${died.death}`, '', '', '', died.attacker]
  return [
    `${signed(of(addedMs))} (${signed(of(({ wholeMs, calmMs }) => wholeMs - calmMs))})`,
    fixed(
      of(({ p50Ms }) => p50Ms),
      1,
    ),
    whole(Math.max(...runs.map(({ failed }) => failed))),
    fixed(
      of(({ answeredPerSecond }) => answeredPerSecond),
      1,
    ),
    runs[0]?.attacker ?? '',
  ]
}

const got = ({ asked, answered, refused, stillOpen }: HostileFigures): string =>
  stillOpen > 0 || (asked > 0 && answered === 0 && refused === 0 && asked >= 100)
    ? `${stillOpen} of ${asked} open`
    : `${answered} of ${asked} answered, ${refused} with errors`

async function attackOnce(
  checkout: string,
  attack: string,
  { calmMs, attackMs }: Pace,
  directory: string,
): Promise<Figures> {
  const environment = { DATA_DIR: directory, MARKET_SOURCE: 'simulated', TRUST_PROXY: '127.0.0.1' }
  const server = await startFinstage(environment, { root: checkout, nodeArgs: ['--inspect=0'] })
  try {
    const { settleMs = 0, beforeMinuteMs } = attacks[attack] ?? {}
    const waitingMs = settleMs + (beforeMinuteMs === undefined ? 0 : minuteMs)
    const durationMs = calmMs + attackMs + waitingMs
    const inspector = server.inspector ?? ''
    await watchCollections(inspector)
    const options: HostileLoad = { url: server.url, attack, calmMs, attackMs, durationMs }
    const figures = await runLoad<HostileLoad, HostileFigures>('hostile.ts', options)
    const death = server.death()
    const collections = death === null ? await collectionsOf(inspector) : []
    const { beside, calm } = figures
    return {
      calmMs: percentile(withoutCollections(calm, collections), 0.99),
      besideMs: percentile(withoutCollections(beside, collections), 0.99),
      wholeMs: percentile(tookMs(beside), 0.99),
      p50Ms: percentile(tookMs(beside), 0.5),
      failed: beside.failed,
      answeredPerSecond: figures.answered / (attackMs / 1000),
      attacker: got(figures),
      death,
    }
  } finally {
    // It may be busy for long and would not react to SIGTERM.
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

const tookMs = ({ quotes }: Quotes): number[] => quotes.map(([, tookMs]) => tookMs)

const withoutCollections = ({ quotes }: Quotes, collections: readonly Collection[]): number[] =>
  quotes.map(([dueMs, tookMs]) => tookMs - pausedMs(collections, dueMs, dueMs + tookMs))
