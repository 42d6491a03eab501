import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dashboardQueries } from '../../../scripts/drill/dashboard.ts'
import { faults } from '../../../scripts/drill/faults.ts'
import { hasPromtool, promtool } from '../../support/prometheus.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const filesIn = (folder: string): string[] => readdirSync(join(root, folder)).map((name) => join(root, folder, name))
const textOf = (paths: readonly string[]): string => paths.map((path) => readFileSync(path, 'utf8')).join('\n')
const rules = filesIn('monitoring/rules')
const tests = filesIn('monitoring/tests')
const skip = !hasPromtool && 'promtool is not installed'

/** Name and text of each alert. */
const alerts = textOf(rules)
  .split(/^ +- (?=alert: |record: )/m)
  .flatMap((text) => {
    const [, name] = /^alert: (\w+)$/m.exec(text) ?? []
    return name === undefined ? [] : [{ name, text }]
  })

/** What is expected of an alert at one time: to fire or not. */
const expectations = textOf(tests)
  .split(/^ +- (?:\{ )?eval_time: /m)
  .slice(1)
  .map((text) => ({ name: /alertname: (\w+)/.exec(text)?.[1] ?? '', fires: !/exp_alerts: \[\]/.test(text) }))

test('every alert has a paragraph in the runbook, and names it', () => {
  assert.ok(alerts.length > 10)
  const runbook = readFileSync(join(root, 'docs/runbook.md'), 'utf8')
  for (const { name, text } of alerts) {
    assert.ok(text.includes(`runbook: docs/runbook.md#${name.toLowerCase()}\n`), `${name} names no paragraph`)
    assert.match(runbook, new RegExp(`^### ${name}\n\n\\S`, 'm'), name)
  }
  const headings = Array.from(runbook.matchAll(/^### (\w+)$/gm), ([, heading]) => heading)
  assert.deepEqual(headings.sort(), alerts.map(({ name }) => name).sort())
})

test('every alert is tested both firing and silent', () => {
  for (const { name } of alerts) {
    const of = expectations.filter((expectation) => expectation.name === name)
    assert.ok(
      of.some(({ fires }) => fires),
      `${name} is never expected to fire`,
    )
    assert.ok(
      of.some(({ fires }) => !fires),
      `${name} is never expected to be silent`,
    )
  }
})

test('every alert has a fault in the drill', () => {
  const caused = faults.flatMap(({ alerts, slow = [], lasting = [] }) => [...alerts, ...slow, ...lasting])
  assert.deepEqual(caused.sort(), alerts.map(({ name }) => name).sort())
})

test('rules and dashboard name only metrics that there are, and what the rules record', () => {
  const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  const metrics = new Set(Array.from(page.matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name))
  const recorded = new Set(Array.from(textOf(rules).matchAll(/record: (\S+)/g), ([, name]) => name))
  const expressions = [...textOf(rules).matchAll(/expr: ((?:\|\n(?: {10}.*\n)+)|.*\n)/g)].map(([, text = '']) => text)
  assert.ok(expressions.length >= alerts.length)
  for (const expression of [...expressions, ...dashboardQueries().map(({ expr }) => expr)]) {
    for (const [name] of expression.matchAll(/\b(?:finstage|nodejs|process)[_:][\w:]+/g)) {
      assert.ok(
        recorded.has(name) || metrics.has(name.replace(/_(?:bucket|sum|count)$/, '')) || metrics.has(name),
        name,
      )
    }
  }
})

test('Prometheus can read every query of the dashboard', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-dashboard-'))
  const file = join(directory, 'queries.yml')
  const queries = dashboardQueries().map(({ expr }, i) => ({ record: `dashboard:query${i}`, expr }))
  // JSON is YAML, too.
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: queries }] }))
  const { isClean, output } = promtool(['check', 'rules', file])
  rmSync(directory, { recursive: true })
  assert.ok(queries.length > 50)
  assert.ok(isClean, output)
})

test('the rules and the configurations are valid', { skip }, () => {
  const config = promtool(['check', 'config', join(root, 'monitoring/prometheus.yml')])
  assert.ok(config.isClean, config.output)
  const checked = promtool(['check', 'rules', '--lint=all', '--lint-fatal', ...rules])
  assert.ok(checked.isClean, checked.output)
})

for (const path of tests) {
  test(`alerts fire and are silent as ${path.slice(root.length)} says`, { skip }, () => {
    const { isClean, output } = promtool(['test', 'rules', path])
    assert.ok(isClean, output)
  })
}
