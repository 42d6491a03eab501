import { z } from 'zod'

/** A wrong setting that prevents the start. The message names it. */
export class ConfigurationError extends Error {}

/**
 * Reads settings from the environment; an empty value counts as unset. Throws a ConfigurationError that names every
 * setting with a wrong value, and every variable that looks like a misspelt setting.
 */
export function parseEnvironment<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Readonly<Record<string, string | undefined>>,
): z.infer<z.ZodObject<Shape>> {
  const names = Object.keys(shape)
  const set = Object.fromEntries(names.map((name) => [name, environment[name] || undefined]))
  const parsed = z.object(shape).safeParse(set)
  const wrong = parsed.success
    ? []
    : parsed.error.issues.map((issue) => {
        const name = String(issue.path[0])
        return `${name}=${shown(name, set[name])} is wrong: ${issue.message}`
      })
  const problems = [...wrong, ...misspelt(names, Object.keys(environment))]
  if (problems.length > 0) throw new ConfigurationError(problems.join('\n'))
  return parsed.data as z.infer<z.ZodObject<Shape>>
}

/** URLs that may contain a password are not shown. */
function shown(name: string, value: string | undefined): string {
  const mayHoldSecret = name.endsWith('_URL') && /[@=]/.test(value ?? '')
  return mayHoldSecret ? '***' : JSON.stringify(value)
}

function misspelt(names: readonly string[], present: readonly string[]): string[] {
  return present.flatMap((variable) => {
    if (names.includes(variable)) return []
    const near = names.filter((name) => looksLike(variable, name))
    const farness = (name: string): number => (name.startsWith(variable) ? 0 : distance(variable, name))
    const nearest = near.sort((a, b) => farness(a) - farness(b))[0]
    return nearest ? [`${variable} is not a setting: did you mean ${nearest}?`] : []
  })
}

function looksLike(variable: string, name: string): boolean {
  const prefix = name.startsWith('SIMULATED_') && variable.startsWith('SIMULATED_')
  // Short names resemble many foreign variables (POST, GHOST): only anagrams and one extra letter at the end count.
  if (name.length < 6) return sorted(variable) === sorted(name) || variable.slice(0, -1) === name
  return prefix || distance(variable.toUpperCase(), name) <= 2
}

const sorted = (text: string): string => [...text].sort().join('')

/** Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions, transpositions. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + change)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1)
      row[j] = best
    }
  }
  return at(a.length, b.length)
}
