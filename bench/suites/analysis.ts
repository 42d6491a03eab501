import { join } from 'node:path'
import type { AnalysisFigures, AnalysisOptions } from '../loads/analysis.ts'
import { quiet, root } from '../support/machine.ts'
import { runLoad } from '../support/processes.ts'
import { fixed, median, table, whole } from '../support/table.ts'

const symbolCount = 100
const delayMs = 50
const rounds = 3
const storedCount = 300

/**
 * Symbols never seen before, from a slow source in memory: one job for all, compared with one symbol after another. And
 * symbols whose candles are stored: how many a second one core manages, its Postgres included.
 */
export async function measureAnalysis(directory: string, progress: (text: string) => void): Promise<string> {
  const unseen = await measureUnseen(directory, progress)
  return `${unseen}\n\n${await measureStored(directory, progress)}`
}

const figuresOf = (options: AnalysisOptions, core: 0 | null): Promise<AnalysisFigures> =>
  runLoad('analysis.ts', options, core, root, { asServer: true })

async function measureStored(directory: string, progress: (text: string) => void): Promise<string> {
  const measured = { stored: [] as number[], computing: [] as number[] }
  for (let round = 1; round <= rounds; round++) {
    for (const part of ['stored', 'computing'] as const) {
      await quiet()
      const data = join(directory, `analysis-${part}-${round}`)
      const options: AnalysisOptions = { part, data, symbolCount: storedCount, delayMs: 0, durationMs: 60_000 }
      const { wholeMs } = await figuresOf(options, 0)
      const rate = storedCount / (wholeMs / 1000)
      progress(`analysis, round ${round}, ${part}: ${whole(rate)} symbols/s`)
      measured[part].push(rate)
    }
  }
  const [stored, computing] = [median(measured.stored), median(measured.computing)]
  return table(
    [`${storedCount} symbols, on one core`, 'analyses/s', '÷ computing'],
    [
      ['one job of a worker, candles stored', whole(stored), fixed(stored / computing, 2)],
      ['nothing but computing, candles in memory', whole(computing), '1.00'],
    ],
  )
}

async function measureUnseen(directory: string, progress: (text: string) => void): Promise<string> {
  const measured = { job: [] as AnalysisFigures[], loop: [] as AnalysisFigures[] }
  for (let round = 1; round <= rounds; round++) {
    for (const part of ['loop', 'job'] as const) {
      await quiet()
      const data = join(directory, `analysis-${part}-${round}`)
      const options: AnalysisOptions = { part, data, symbolCount, delayMs, durationMs: 60_000 }
      const figures = await figuresOf(options, null)
      progress(`analysis, round ${round}, ${part}: ${whole(figures.wholeMs)} ms`)
      measured[part].push(figures)
    }
  }
  const of = (part: keyof typeof measured, figure: keyof AnalysisFigures): number =>
    median(measured[part].map((figures) => figures[figure]))
  const row = (name: string, part: keyof typeof measured): string[] => [
    name,
    ...(['wholeMs', 'meanMs'] as const).flatMap((figure) => [
      whole(of(part, figure)),
      fixed(100 * (1 - of(part, figure) / of('loop', figure)), 1),
    ]),
  ]
  return [
    `## Analysis of ${symbolCount} symbols`,
    '',
    `Never seen before, after as many others; the source takes ${delayMs} ms. Medians of ${rounds} rounds in turns, on any core, each with an empty store.`,
    '',
    table(
      ['', 'all done after ms', '% less', 'a symbol, in the mean, ms', '% less'],
      [row('one job of a worker', 'job'), row('one symbol after another', 'loop')],
    ),
  ].join('\n')
}
