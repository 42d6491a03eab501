import { after } from 'node:test'
import { App } from '../../src/app/app.ts'
import { parseConfig } from '../../src/app/config.ts'
import type { Role } from '../../src/app/role.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { silentLog } from './log.ts'
import { startTestYahoo, type TestYahoo } from './test-yahoo.ts'

export interface TestApp extends AsyncDisposable {
  /** http://127.0.0.1:port */
  readonly api: string
  readonly metrics: string
  stop(): Promise<void>
}

/** Finstage in this process, on free ports. `environment` is what the user would set. */
export async function startApp(environment: Record<string, string>, role: Role = 'all'): Promise<TestApp> {
  const config = parseConfig({ PORT: '0', METRICS_PORT: '0', ...environment })
  let fatal: unknown
  const app = new App({
    config,
    role,
    log: silentLog,
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

/** For a test file: Finstage on a database and a Yahoo of its own, until the last test has ended. */
export async function appOnTestYahoo(): Promise<{ app: TestApp; yahoo: TestYahoo; database: TestDatabase }> {
  const database = await createTestDatabase()
  const yahoo = await startTestYahoo()
  const app = await startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url })
  after(async () => {
    await app.stop()
    await yahoo.close()
    await database[Symbol.asyncDispose]()
  })
  return { app, yahoo, database }
}
