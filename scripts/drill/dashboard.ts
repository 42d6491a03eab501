import { readFileSync } from 'node:fs'

const stepSeconds = 15

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[]
}

interface Answer {
  readonly status: 'success' | 'error'
  readonly error?: string
  readonly data?: { readonly result: readonly { readonly values: readonly [number, string][] }[] }
}

export interface Query {
  readonly panel: string
  readonly expr: string
}

/** All queries of the dashboard. */
export function dashboardQueries(): Query[] {
  const path = new URL('../../monitoring/grafana/finstage.json', import.meta.url)
  const { panels } = JSON.parse(readFileSync(path, 'utf8')) as Dashboard
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ panel: title, expr })))
}

/** The queries that return no number for any time since then, with why. */
export async function queriesWithoutData(prometheus: string, sinceMs: number): Promise<(Query & { why: string })[]> {
  const without: (Query & { why: string })[] = []
  for (const query of dashboardQueries()) {
    const range = {
      query: query.expr,
      start: String(sinceMs / 1000),
      end: String(Date.now() / 1000),
      step: `${stepSeconds}`,
    }
    const response = await fetch(`${prometheus}/api/v1/query_range?${new URLSearchParams(range)}`)
    const { error, data } = (await response.json()) as Answer
    const hasNumber = data?.result.some(({ values }) => values.some(([, value]) => !Number.isNaN(Number(value))))
    if (!hasNumber) without.push({ ...query, why: error ?? 'no data' })
  }
  return without
}
