import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { attacks } from '../loads/attacks.ts'
import type { HostileFigures, HostileLoad } from '../loads/hostile.ts'
import { checkedOut } from '../support/baseline.ts'
import { quiet, root } from '../support/machine.ts'
import { runLoad, startFinstage } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

/** The commit whose faults these requests exposed. */
const commitBefore = '6e11c07'
const minuteMs = 60_000

interface Pace {
  readonly rounds: number
  readonly calmMs: number
  readonly attackMs: number
}

const thorough: Pace = { rounds: 3, calmMs: 2000, attackMs: 10_000 }
const quick: Pace = { rounds: 1, calmMs: 500, attackMs: 3000 }

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
  const figures = new Map<string, HostileFigures[]>()
  try {
    for (let round = 1; round <= pace.rounds; round++) {
      for (const attack of Object.keys(attacks)) {
        for (const build of builds) {
          await quiet()
          const figure = await attackOnce(build.root, attack, pace, join(directory, 'attacked'))
          const key = `${attack} ${build.name}`
          figures.set(key, [...(figures.get(key) ?? []), figure])
          progress(`hostile, round ${round}, ${key}: p99 ${fixed(figure.beside.p99Ms, 1)} ms, ${got(figure)}`)
        }
      }
    }
  } finally {
    before.remove()
  }
  const rows = Object.keys(attacks).map((attack) => {
    const [old = [], now = []] = builds.map(({ name }) => figures.get(`${attack} ${name}`))
    const of = (runs: readonly HostileFigures[], pick: (figure: HostileFigures) => number): number =>
      median(runs.map(pick))
    const p99 = ({ beside }: HostileFigures): number => beside.p99Ms
    const columns = (runs: readonly HostileFigures[]): string[] => [
      fixed(
        of(runs, ({ calm }) => calm.p99Ms),
        1,
      ),
      fixed(
        of(runs, ({ beside }) => beside.p50Ms),
        1,
      ),
      fixed(of(runs, p99), 1),
      whole(Math.max(...runs.map(({ beside }) => beside.failed))),
      fixed(
        of(runs, ({ serverCpu }) => serverCpu),
        2,
      ),
      runs[0] ? got(runs[0]) : '',
    ]
    return [attack, ...columns(old), ...columns(now), fixed(of(old, p99) / of(now, p99), 1)]
  })
  return [
    '## Hostile requests',
    '',
    `A good client asks for a quote every 20 ms, ${pace.calmMs / 1000} s by itself and ${pace.attackMs / 1000} s beside an attacker who sends one request after the other.`,
    `Before: commit ${commitBefore}. A quote that is not answered in the end counts with the time that it has waited: the true p99 is longer.`,
    `Medians of ${pace.rounds} rounds in turns, a new server for each; of failed quotes the most; of the attacker, the first round.`,
    '',
    table(
      ['attack', ...head.map((name) => `before: ${name}`), ...head.map((name) => `now: ${name}`), 'p99 before ÷ now'],
      rows,
    ),
  ].join('\n')
}

const head = ['p99 ms, calm', 'p50 ms', 'p99 ms', 'failed', 'server CPU', 'attacker']

const got = ({ asked, answered, refused, stillOpen }: HostileFigures): string =>
  stillOpen > 0 || (asked > 0 && answered === 0 && refused === 0 && asked >= 100)
    ? `${stillOpen} of ${asked} open`
    : `${answered} of ${asked} answered, ${refused} with errors`

async function attackOnce(
  checkout: string,
  attack: string,
  { calmMs, attackMs }: Pace,
  directory: string,
): Promise<HostileFigures> {
  const environment = { DATA_DIR: directory, MARKET_SOURCE: 'simulated' }
  const server = await startFinstage(environment, { root: checkout })
  try {
    const { settleMs = 0, beforeMinuteMs } = attacks[attack] ?? {}
    const waitingMs = settleMs + (beforeMinuteMs === undefined ? 0 : minuteMs)
    const durationMs = calmMs + attackMs + waitingMs
    const options: HostileLoad = { url: server.url, serverPid: server.pid, attack, calmMs, attackMs, durationMs }
    return await runLoad<HostileLoad, HostileFigures>('hostile.ts', options)
  } finally {
    // It may be busy for minutes and would not react to SIGTERM.
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}
