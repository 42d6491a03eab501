import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** For a test's `skip`. */
export const noChromium = existsSync(executablePath)
  ? false
  : `there is no Chromium at ${executablePath}: install one, or name it in CHROMIUM_PATH`

const quiet = '--no-first-run --disable-background-networking --disable-component-update --disable-sync'

/** `names` lead to this machine. No other name is resolved: a page that needed another host would not work. */
export function launchChromium(names: readonly string[] = []): Promise<Browser> {
  const rules = [...names.map((name) => `MAP ${name} 127.0.0.1`), 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1']
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet.split(' ')]
  return chromium.launch({ executablePath, args: [...args, `--host-resolver-rules=${rules.join(' , ')}`] })
}
