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

/** Of an analysis. The CPU time is that of the process and its Postgres. */
interface Cost {
  readonly rate: number
  readonly cpuMs: number
}

async function measureStored(directory: string, progress: (text: string) => void): Promise<string> {
  const measured = { stored: [] as Cost[], computing: [] as Cost[] }
  for (let round = 1; round <= rounds; round++) {
    for (const part of ['stored', 'computing'] as const) {
      await quiet()
      const data = join(directory, `analysis-${part}-${round}`)
      const options: AnalysisOptions = { part, data, symbolCount: storedCount, delayMs: 0, durationMs: 60_000 }
      const { wholeMs, cpuMs } = await figuresOf(options, 0)
      const cost = { rate: storedCount / (wholeMs / 1000), cpuMs: cpuMs / storedCount }
      progress(
        `analysis, round ${round}, ${part}: ${whole(cost.rate)} symbols/s, ${fixed(cost.cpuMs, 2)} ms of CPU each`,
      )
      measured[part].push(cost)
    }
  }
  const of = (part: keyof typeof measured, figure: keyof Cost): number =>
    median(measured[part].map((cost) => cost[figure]))
  const row = (name: string, part: keyof typeof measured): string[] => [
    name,
    whole(of(part, 'rate')),
    fixed(of(part, 'rate') / of('computing', 'rate'), 2),
    fixed(of(part, 'cpuMs'), 2),
    fixed(of('computing', 'cpuMs') / of(part, 'cpuMs'), 2),
  ]
  return table(
    [`${storedCount} symbols, on one core`, 'analyses/s', '÷ computing', 'ms of CPU', 'computing ÷ that'],
    [
      row('one job of a worker, candles stored', 'stored'),
      row('nothing but computing, candles in memory', 'computing'),
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
    fixed(of(part, 'cpuMs') / symbolCount, 2),
  ]
  return [
    `## Analysis of ${symbolCount} symbols`,
    '',
    `Never seen before, after as many others; the source takes ${delayMs} ms. Medians of ${rounds} rounds in turns, on any core, each with an empty store.`,
    '',
    table(
      ['', 'all done after ms', '% less', 'a symbol, in the mean, ms', '% less', 'ms of CPU a symbol'],
      [row('one job of a worker', 'job'), row('one symbol after another', 'loop')],
    ),
  ].join('\n')
}
