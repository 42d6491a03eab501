import { join } from 'node:path'
import type { QueueFigures, QueueOptions, QueuePart } from '../loads/queue.ts'
import { quiet } from '../support/machine.ts'
import { runLoad, startPostgres } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const jobs = 10_000
const rounds = 3
const names: Readonly<Record<QueuePart, string>> = {
  finstage: 'Finstage',
  unbatched: 'graphile-worker, a statement for each job',
  batched: 'graphile-worker, 500 jobs a statement',
}

/** Jobs that do nothing, drained by Finstage and by the bare queue below it, in turns on one Postgres. */
export async function measureQueue(directory: string, progress: (text: string) => void): Promise<string> {
  const postgres = await startPostgres(join(directory, 'queue'))
  const parts = Object.keys(names) as QueuePart[]
  const measured = new Map<QueuePart, QueueFigures[]>(parts.map((part) => [part, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const part of parts) {
      await quiet()
      const options: QueueOptions = { part, connectionString: postgres.url, jobs, durationMs: 120_000 }
      const figures = await runLoad<QueueOptions, QueueFigures>('queue.ts', options, null)
      measured.get(part)?.push(figures)
      progress(`queue, round ${round}, ${part}: ${whole(figures.jobsPerSecond)} jobs/s`)
    }
  }
  await postgres.stop()
  const of = (part: QueuePart, pick: (figures: QueueFigures) => number): number[] =>
    (measured.get(part) ?? []).map(pick)
  const rate = (part: QueuePart): number => median(of(part, ({ jobsPerSecond }) => jobsPerSecond))
  const rows = parts.map((part) => {
    const rates = of(part, ({ jobsPerSecond }) => jobsPerSecond)
    return [
      names[part],
      whole(rate(part)),
      fixed(rate(part) / rate('unbatched'), 2),
      `${whole(Math.min(...rates))} to ${whole(Math.max(...rates))}`,
      whole(median(of(part, ({ cpuMicroseconds }) => cpuMicroseconds))),
      fixed(median(of(part, ({ commits }) => commits)), 2),
    ]
  })
  return [
    `## ${whole(jobs)} queued jobs that do nothing, drained`,
    '',
    `Medians of ${rounds} rounds in turns, each in a process of its own on the same Postgres, until Postgres shows the last as done.`,
    '',
    table(['worker', 'jobs/s', '÷ unbatched', 'range', 'process µs CPU/job', 'commits/job'], rows),
  ].join('\n')
}
