import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/machine.ts'
import { runLoad } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'
import { histogramOf } from './histogram.ts'
import type { PricedRun, PriceFigures, PriceLoad } from './load.ts'

const microsPerPoint = 10
const [least, most, never] = [0.25, 2, 5]
const worstShown = 10
/** Those that are not generated come first. */
const usualShown = 5

/** Measured CPU by the estimate; null: there is none. */
const ratioOf = ({ micros, points }: PricedRun): number | null =>
  points === null ? null : micros / microsPerPoint / points

/** What operations were estimated to cost beside what they took of the server's thread. */
export async function measurePrice(
  _directory: string,
  progress: (text: string) => void,
  isQuick: boolean,
): Promise<string> {
  const operations = isQuick ? 100 : 2000
  progress(`price: ${operations} generated operations, a tenth as many subscriptions, and the hostile table`)
  const { generated, hostile, subscriptions } = await runLoad<PriceLoad, PriceFigures>(
    '../price/load.ts',
    { operations, durationMs: 3_600_000 },
    null,
    root,
    { asServer: true },
  )
  const all = [...generated, ...subscriptions, ...hostile]
  const ratios = all.map(ratioOf).filter((ratio) => ratio !== null)
  ratios.sort((a, b) => a - b)
  const quantile = (share: number): string =>
    fixed(ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))] ?? Number.NaN, 2)
  const inside = ratios.filter((ratio) => ratio >= least && ratio <= most).length / ratios.length
  const folder = join(root, 'bench/out')
  mkdirSync(folder, { recursive: true })
  const picture = join(folder, 'price.svg')
  writeFileSync(picture, histogramOf(ratios, { least, most, never }))
  writeFileSync(join(folder, 'price.json'), JSON.stringify(all))
  const priced = [...generated, ...subscriptions].filter((run) => ratioOf(run) !== null)
  const farOff = (run: PricedRun): number => Math.abs(Math.log((ratioOf(run) ?? 1) / Math.sqrt(least * most)))
  const worst = [...priced].sort((a, b) => farOff(b) - farOff(a)).slice(0, worstShown)
  const shares = [0, 0.005, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.995, 1]
  return [
    '## Price',
    '',
    `${whole(operations)} operations at random over the schema, each measured once it is known and compiled, ${whole(subscriptions.length)} subscriptions to begin with their first events, and each request of the hostile table as it comes. CPU of the server’s thread, by its own clock; the client is another thread.`,
    `${whole(ratios.length)} of ${whole(all.length)} had a price; the others were refused before. The distribution as a picture: bench/out/price.svg.`,
    '',
    table(
      ['measured ÷ estimate', 'reached', 'wanted', 'met'],
      [
        [`${least} to ${most}`, `${fixed(100 * inside, 2)} %`, '99 %', inside >= 0.99 ? 'yes' : 'no'],
        ['at most', fixed(ratios.at(-1) ?? Number.NaN, 2), String(never), (ratios.at(-1) ?? 0) <= never ? 'yes' : 'no'],
      ],
    ),
    '',
    table(
      shares.map((share) => `${100 * share} %`),
      [shares.map(quantile)],
    ),
    '',
    table(
      ['subscription, to begin', 'CPU, ms', 'estimate, ms', 'ratio', 'error'],
      subscriptions.slice(0, usualShown).map(row),
    ),
    '',
    table(['hostile request', 'CPU, ms', 'estimate, ms', 'ratio', 'error'], hostile.map(row)),
    '',
    'Furthest off among the generated ones:',
    '',
    table(['operation', 'CPU, ms', 'estimate, ms', 'ratio', 'error'], worst.map(row)),
  ].join('\n')
}

function row(run: PricedRun): string[] {
  const { name, micros, points, error } = run
  const ratio = ratioOf(run)
  return [
    name.slice(0, 90).replaceAll('|', ''),
    fixed(micros / 1000, 2),
    points === null ? 'refused before' : fixed((points * microsPerPoint) / 1000, 2),
    ratio === null ? '' : fixed(ratio, 2),
    (error ?? '').slice(0, 60),
  ]
}
