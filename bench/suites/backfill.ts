import { join } from 'node:path'
import type { BackfillFigures, BackfillOptions } from '../loads/backfill.ts'
import { quiet } from '../support/machine.ts'
import { runLoad } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

/** Two million candles. */
const symbols = 200
const candlesPerSymbol = 10_000
const rounds = 3

/** Loads history into an empty store, compared with a bare COPY of the same rows into a table of the same layout. */
export async function measureBackfill(directory: string, progress: (text: string) => void): Promise<string> {
  const measured = { copy: [] as BackfillFigures[], backfill: [] as BackfillFigures[] }
  for (let round = 0; round < rounds; round++) {
    for (const part of ['copy', 'backfill'] as const) {
      progress(`backfill: ${part}, round ${round + 1} of ${rounds}`)
      await quiet()
      const options: BackfillOptions = {
        part,
        directory: join(directory, `backfill-${round}`),
        symbols,
        candlesPerSymbol,
        concurrency: 4,
        durationMs: 120_000,
      }
      measured[part].push(await runLoad<BackfillOptions, BackfillFigures>('backfill.ts', options, null))
    }
  }
  const of = (part: keyof typeof measured, figure: keyof BackfillFigures): number =>
    median(measured[part].map((each) => each[figure] ?? Number.NaN))
  const baseline = of('copy', 'rowsPerSecond')
  const row = (name: string, part: keyof typeof measured): string[] => [
    name,
    whole(of(part, 'rowsPerSecond')),
    fixed(of(part, 'rowsPerSecond') / baseline, 2),
    whole(of(part, 'peakRssMiB')),
    whole(of(part, 'bytesPerRow')),
  ]
  const head = [
    '2,000,000 candles of 200 symbols',
    'rows/s',
    '÷ COPY',
    'peak MiB of the process',
    'bytes a row, with index',
  ]
  const repeat = of('backfill', 'repeatRowsPerSecond')
  return [
    table(head, [row('Finstage, from source to store', 'backfill'), row('bare COPY, rows ready in memory', 'copy')]),
    `\nAsked for again, with nothing missing: ${whole(repeat)} candles/s, none fetched. Medians of ${rounds} rounds.`,
  ].join('\n')
}
