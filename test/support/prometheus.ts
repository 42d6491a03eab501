import { spawnSync } from 'node:child_process'

export const hasPromtool = spawnSync('promtool', ['--version']).status === 0

/** What promtool says, and whether it finds nothing wrong. */
export function promtool(args: readonly string[], input = ''): { readonly isClean: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { isClean: status === 0, output: `${stdout}${stderr}`.trim() }
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly samples: readonly Sample[]
}

/** Reads Prometheus' text format as far as prom-client writes it. */
export function familiesOf(text: string): Family[] {
  const families: { name: string; type: string; samples: Sample[] }[] = []
  for (const line of text.split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (name) families.push({ name, type, samples: [] })
    const [, sample, labels = '', value] = /^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? []
    if (sample === undefined) continue
    const pairs = Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, label = '', text = '']) => [
      label,
      text,
    ])
    families.at(-1)?.samples.push({ name: sample, labels: Object.fromEntries(pairs), value: Number(value) })
  }
  return families
}
