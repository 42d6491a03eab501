import { after } from 'node:test'
import { App } from '../../src/app/app.ts'
import { parseConfig } from '../../src/app/config.ts'
import type { Role } from '../../src/app/role.ts'
import { createTestDatabase, type TestDatabase } from './database/database.ts'
import { silentLog } from './log.ts'
import { startTestYahoo, type TestYahoo } from './yahoo/test-yahoo.ts'

export interface TestApp extends AsyncDisposable {
  /** http://127.0.0.1:port */
  readonly api: string
  readonly metrics: string
  stop(): Promise<void>
}

/** Finstage in this process, on free ports. `environment` is what the user would set. */
export async function startApp(
  environment: Record<string, string>,
  role: Role = 'all',
  options: { now?: () => number } = {},
): Promise<TestApp> {
  const config = parseConfig({ PORT: '0', METRICS_PORT: '0', DRAIN_SECONDS: '0', ...environment })
  let fatal: unknown
  const app = new App({
    config,
    role,
    log: silentLog,
    ...options,
    onFatal: (message, cause) => {
      fatal ??= new Error(message, { cause })
    },
  })
  const stop = async (): Promise<void> => {
    await app.stop()
    if (fatal) throw fatal
  }
  try {
    const { api, metrics } = await app.start()
    return { api: api ?? '', metrics: metrics ?? '', stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await app.stop()
    throw error
  }
}

export interface AppOnTestYahoo {
  readonly app: TestApp
  readonly yahoo: TestYahoo
  readonly database: TestDatabase
  /** Puts the app's clock forward, at once. */
  pass(ms: number): void
}

/** For a test file: Finstage on a database and a Yahoo of its own, until the last test has ended. */
export async function appOnTestYahoo(settings: Record<string, string> = {}): Promise<AppOnTestYahoo> {
  const database = await createTestDatabase()
  let aheadMs = 0
  const now = (): number => Date.now() + aheadMs
  const yahoo = await startTestYahoo({ date: now })
  const environment = { DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url, ...settings }
  const app = await startApp(environment, 'all', { now })
  after(async () => {
    await app.stop()
    await yahoo.close()
    await database[Symbol.asyncDispose]()
  })
  const pass = (ms: number): void => {
    aheadMs += ms
  }
  return { app, yahoo, database, pass }
}
