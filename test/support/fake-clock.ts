import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const libraries = ['x86_64', 'aarch64'].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`)
const library = libraries.find((path) => existsSync(path))

/** For tests that need it. */
export const skipWithoutFaketime =
  library === undefined && "libfaketime is not there: install Debian's package faketime"

export interface FakeClock extends Disposable {
  /** What a process is started with, so that its machine seems to have this clock. */
  readonly environment: Record<string, string>
  /** How far it is ahead of the right time: noticed within a second. */
  set(aheadSeconds: number): void
}

/** The clock of a machine that the processes of a test seem to run on; the one that nobody sets goes on as it does. */
export function fakeClock(aheadSeconds: number): FakeClock {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-clock-'))
  const file = join(directory, 'offset')
  const set = (seconds: number): void => writeFileSync(file, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`)
  set(aheadSeconds)
  return {
    environment: {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
