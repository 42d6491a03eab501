import { App } from './app/app.ts'
import { isReachable, parseConfig } from './app/config.ts'
import { help } from './app/help.ts'
import { isRole, type Role, roles } from './app/role.ts'
import { welcome } from './app/welcome.ts'
import { ConfigurationError } from './platform/environment.ts'
import { createLogger } from './platform/logger.ts'

/** A stop that takes longer ends the process with code 1. */
const stopTimeoutMs = 20_000

function readRole(args: readonly string[]): Role {
  const [role = 'all', ...rest] = args
  if (!isRole(role)) throw new ConfigurationError(`${role} is no role: one of ${roles.join(', ')} is wanted`)
  if (rest.length > 0) throw new ConfigurationError(`${rest.join(' ')} is too much: only one role is accepted`)
  return role
}

/** Runs the role that the arguments name, until a signal or a failure ends the process. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    await start(args)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    process.stderr.write(
      `Finstage could not start:\n${error.message}\nnpm start -- --help tells what there is to set.\n`,
    )
    process.exit(1)
  }
}

async function start(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help)
    return
  }
  const role = readRole(args)
  const config = parseConfig(process.env)
  if (role !== 'all' && !config.DATABASE_URL) {
    throw new ConfigurationError(`${role} shares its database with other processes: set DATABASE_URL to name it`)
  }
  const log = createLogger(config.LOG_LEVEL)
  if (isReachable(config)) {
    log.warn({ host: config.HOST }, 'AUTH=open: there are no keys, whoever reaches this server may do everything')
  }

  const stop = async (exitCode: number): Promise<void> => {
    const deadline = setTimeout(() => {
      log.fatal('stopping took too long')
      process.exit(1)
    }, stopTimeoutMs)
    const code = await app.stop().then(
      () => exitCode,
      (error: unknown) => {
        log.error({ err: error }, 'not everything stopped cleanly')
        return exitCode || 1
      },
    )
    clearTimeout(deadline)
    log.info('stopped')
    process.exit(code)
  }
  const fail = (message: string, cause?: unknown): void => {
    log.fatal({ err: cause }, message)
    void stop(1)
  }
  const app = new App({ config, role, log, onFatal: fail })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))
  process.on('uncaughtException', (error) => fail('an error was caught nowhere', error))
  process.on('unhandledRejection', (reason) => fail('a rejection was handled nowhere', reason))

  try {
    const { api, metrics } = await app.start()
    if (role === 'migrate') return stop(0)
    log.info({ role, api, metrics }, 'started')
    if (role === 'all' && api && metrics) process.stdout.write(welcome(config, { api, metrics }))
  } catch (error) {
    process.stderr.write(`Finstage could not start: ${error instanceof Error ? error.message : String(error)}\n`)
    log.debug({ err: error }, 'could not start')
    await stop(1)
  }
}
