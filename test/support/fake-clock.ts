import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** libfaketime for programs with threads (Debian's package faketime); null: it is not installed. */
export function fakeTimeLibrary(): string | null {
  const found = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime', 'libfaketimeMT.so.1'))
  return found.find((file) => existsSync(file)) ?? null
}

/** The wall clock of processes that are started with `environment`. Their steady clock goes as ever. */
export interface FakeClock extends Disposable {
  readonly environment: Record<string, string>
  /** From now on it is off by so much, in running processes too. */
  set(offsetSeconds: number): void
}

export function createFakeClock(library: string): FakeClock {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-clock-'))
  const file = join(directory, 'offset')
  const set = (offsetSeconds: number): void => writeFileSync(file, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`)
  set(0)
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
