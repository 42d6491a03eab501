import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, validate } from 'graphql'
import { schema } from '../../src/schema/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const filesIn = (folder: string, ending: string, recursive = false): string[] =>
  readdirSync(join(root, folder), { encoding: 'utf8', recursive })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')
const pages = ['.', 'docs', 'docs/decisions', 'bench'].flatMap((folder) => filesIn(folder, '.md'))

/** As GitHub names the places of its headings. */
const anchorsOf = (page: string): string[] =>
  Array.from(textOf(page).matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )

test('every operation in the documentation is valid', () => {
  const operations = pages.flatMap((page) =>
    Array.from(textOf(page).matchAll(/^```graphql\n(.*?)^```$/gms), ([, code = '']) => code),
  )
  assert.ok(operations.length >= 2)
  for (const operation of operations) assert.deepEqual(validate(schema, parse(operation)), [])
})

test('every link of the documentation within the project leads to something', () => {
  for (const page of pages) {
    for (const [link, path = '', anchor] of textOf(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = path === '' ? page : join(dirname(page), path)
      assert.ok(existsSync(join(root, target)), `${page}${link}`)
      if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${page}${link}`)
    }
  }
})

test('every metric is told of in docs/operations.md', () => {
  const sources = filesIn('src', '.ts', true).map(textOf).join('\n')
  const metrics = Array.from(sources.matchAll(/'(finstage_[a-z_]+)'/g), ([, name = '']) => name)
  assert.ok(metrics.length > 20)
  const told = textOf('docs/operations.md')
  assert.deepEqual(
    metrics.filter((name) => !told.includes(`\`${name}\``)),
    [],
  )
})

test('every file that the documentation or a comment names exists', () => {
  const files = ['src', 'test', 'bench', 'scripts', 'examples'].flatMap((folder) => filesIn(folder, '.ts', true))
  const missing = [...pages, ...files].flatMap((file) => {
    const text = textOf(file)
    const prose = file.endsWith('.md') ? text : Array.from(text.matchAll(/^\s*(?:\/\/|\/\*\*|\*).*$/gm)).join('\n')
    const named = Array.from(
      prose.matchAll(/(?<![\w/.-])(?:[a-z][a-z0-9-]*\/)*[a-z][a-z0-9-]*\.ts\b/g),
      ([name]) => name,
    )
    return named
      .filter((name) => !files.some((path) => path === name || path.endsWith(`/${name}`)))
      .map((name) => `${file}: ${name}`)
  })
  assert.deepEqual(missing, [])
})
