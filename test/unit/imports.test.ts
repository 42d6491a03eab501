import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
let copy: string

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'finstage-imports-'))
  for (const path of ['package.json', 'tsconfig.json']) cpSync(join(root, path), join(copy, path))
  for (const folder of ['scripts', 'test', 'bench', 'examples']) mkdirSync(join(copy, folder))
  cpSync(join(root, 'scripts/check-imports.ts'), join(copy, 'scripts/check-imports.ts'))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
})
after(() => rmSync(copy, { recursive: true }))

/** What the check says of the sources, after something was planted in them. */
async function checked(plant: (src: string) => void): Promise<{ code: number; output: string }> {
  const src = join(copy, 'src')
  rmSync(src, { recursive: true, force: true })
  cpSync(join(root, 'src'), src, { recursive: true })
  plant(src)
  return await run(process.execPath, ['scripts/check-imports.ts'], { cwd: copy }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, output: stdout + stderr }),
  )
}

test('the check of imports passes on the sources as they are', async () => {
  const { code, output } = await checked(() => {})
  assert.equal(code, 0, output)
})

test('the check of imports fails on a circle, also one of types alone', async () => {
  const { code, output } = await checked((src) => {
    appendFileSync(join(src, 'domain/errors.ts'), "\nexport type { Interval } from './interval.ts'\n")
    appendFileSync(join(src, 'domain/interval.ts'), "\nexport type { FinstageError } from './errors.ts'\n")
  })
  assert.equal(code, 1)
  assert.match(output, /circle: src\/domain\/errors\.ts -> src\/domain\/interval\.ts -> src\/domain\/errors\.ts/)
})

test('the check of imports fails on an import from a folder above', async () => {
  const { code, output } = await checked((src) => {
    appendFileSync(join(src, 'domain/symbol.ts'), "\nexport type { MarketSource } from '../market/source.ts'\n")
  })
  assert.equal(code, 1)
  assert.match(output, /upwards from src\/domain to src\/market: src\/domain\/symbol\.ts -> src\/market\/source\.ts/)
})

test('the check of imports fails on an import past the doors of a folder', async () => {
  const { code, output } = await checked((src) => {
    appendFileSync(join(src, 'app/help.ts'), "\nexport { yahooFetch } from '../market/yahoo/calls/fetch.ts'\n")
  })
  assert.equal(code, 1)
  assert.match(
    output,
    /past the doors of src\/market\/yahoo: src\/app\/help\.ts -> src\/market\/yahoo\/calls\/fetch\.ts/,
  )
})

test('the check of imports fails on a file of a folder that has no place in the order', async () => {
  const { code, output } = await checked((src) => {
    mkdirSync(join(src, 'utils'))
    writeFileSync(join(src, 'utils/misc.ts'), 'export {}\n')
  })
  assert.equal(code, 1)
  assert.match(output, /in no room of scripts\/check-imports\.ts: src\/utils\/misc\.ts/)
})

test('the check of imports fails on a folder of more than 16 files', async () => {
  const { code, output } = await checked((src) => {
    for (let i = 0; i < 17; i++) writeFileSync(join(src, `app/more-${i}.ts`), 'export {}\n')
  })
  assert.equal(code, 1)
  assert.match(output, /more than 16 files side by side: src\/app has/)
})

test('the check of imports fails on a file that the tool behind it does not see', async () => {
  const { code, output } = await checked((src) => {
    mkdirSync(join(src, 'domain/node_modules'))
    writeFileSync(join(src, 'domain/node_modules/unseen.ts'), 'export {}\n')
  })
  assert.equal(code, 1)
  assert.match(output, /not seen by dependency-cruiser: src\/domain\/node_modules\/unseen\.ts/)
})
