import { setTimeout as sleep } from 'node:timers/promises'
import type { FanOutFigures, FanOutLoad } from '../loads/fan-out.ts'
import { described, isSustained, runFanOut } from '../support/fan-out-run.ts'
import { root as ownRoot, quiet } from '../support/machine.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, percentile, whole } from '../support/table.ts'
import type { JoinsFigures, JoinsLoad } from './joins-load.ts'

const clients = 1000
const joins = 400
const joinMs = 8000
const graceMs = 12_000
const share = 0.9

export interface Joins {
  readonly ticksPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly worstMs: number
  readonly unserved: number
  /** Of those who were there before. */
  readonly fanOut: FanOutFigures
}

/** The highest rate of one symbol for a thousand clients, to a tenth, from a rate downwards. */
export async function highestRate(
  fromTicksPerSecond: number,
  directory: string,
  progress: (text: string) => void,
  root = ownRoot,
): Promise<number> {
  for (let ticksPerSecond = fromTicksPerSecond; ; ticksPerSecond *= share) {
    const options = { symbols: ['AAPL'], connections: clients, ticksPerSecond, measureMs: 3000 }
    const run = await runFanOut('Finstage', options, directory, { root })
    progress(`many documents, the highest rate: ${described(run)}`)
    if (isSustained(run)) return ticksPerSecond
  }
}

/** How long clients wait who join one by one while the updates of one symbol go to a thousand others. */
export async function measureJoins(
  ticksPerSecond: number,
  directory: string,
  progress: (text: string) => void,
  root = ownRoot,
): Promise<Joins> {
  const server = await startServer('Finstage', ticksPerSecond, directory, {}, [], root)
  const following = { url: server.url, symbols: ['AAPL'], ticksPerSecond, sharesId: false }
  try {
    await quiet()
    const there = runLoad<FanOutLoad, FanOutFigures>('fan-out.ts', {
      ...{ ...following, serverPid: server.pid, inspector: null, connections: clients, stalled: 0 },
      ...{ joinMs: 1000, settleMs: 1000, measureMs: 6000 + joinMs, durationMs: 90_000 },
    })
    // Those are there by then, also where the updates of the beginning have to be worked off.
    await sleep(8000)
    const { tookMs, unserved } = await runLoad<JoinsLoad, JoinsFigures>('../many/joins-load.ts', {
      ...{ ...following, joins, joinMs, graceMs, durationMs: joinMs + graceMs },
    })
    const figures: Joins = {
      ticksPerSecond,
      p50Ms: percentile(tookMs, 0.5),
      p99Ms: percentile(tookMs, 0.99),
      worstMs: Math.max(...tookMs),
      unserved,
      fanOut: await there,
    }
    progress(`many documents, joins at ${whole(ticksPerSecond)} updates a second: ${shownJoins(figures)}`)
    return figures
  } finally {
    await server.stop()
  }
}

export const shownJoins = ({ p50Ms, p99Ms, worstMs, unserved, fanOut: { cpu } }: Joins): string =>
  [
    `p50 ${fixed(p50Ms, 1)} ms, p99 ${fixed(p99Ms, 1)} ms, worst ${fixed(worstMs, 0)} ms of ${joins}, not served ${unserved}`,
    `server ${fixed(cpu.server, 2)}, load client ${fixed(cpu.client, 2)}, others ${fixed(cpu.others, 2)} of a core`,
  ].join('; ')
