import { App } from '../../src/app/app.ts'
import { parseConfig } from '../../src/app/config.ts'
import type { Role } from '../../src/app/role.ts'
import { silentLog } from './log.ts'

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
