import { isIP } from 'node:net'
import { z } from 'zod'
import { usualWaitingLimits } from '../domain/job.ts'
import { parseSymbol } from '../domain/symbol.ts'
import { networksOf } from '../http/access/client-address.ts'
import { usualPriceSettings } from '../http/pipeline/price/price-settings.ts'
import { ConfigurationError, parseEnvironment } from '../platform/environment.ts'
import { logLevels } from '../platform/logger.ts'
import { isLoopback } from '../platform/loopback.ts'

const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'a port is a number from 0 to 65535 (0: any that is free)')
    .transform(Number)
    .refine((number) => number <= 65_535, 'a port is a number from 0 to 65535 (0: any that is free)')
    .default(fallback)

const socketAddress = z
  .string()
  .refine((text) => /^wss?:$/.test(URL.parse(text)?.protocol ?? ''), 'an address as in ws://127.0.0.1:8080/ is wanted')

const httpOrigin = z
  .string()
  .refine(
    (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? '') && URL.parse(text)?.pathname === '/',
    'an address as in http://127.0.0.1:8080 is wanted',
  )

const anyNumber = (check: (value: number) => boolean, message: string) =>
  z
    .string()
    .refine((text) => text.trim() !== '' && check(Number(text)), message)
    .transform(Number)

const number = (check: (value: number) => boolean, message: string, fallback: number) =>
  anyNumber(check, message).default(fallback)

const anyWholeNumber = (least: number, most: number) =>
  anyNumber(
    (value) => Number.isInteger(value) && value >= least && value <= most,
    `a whole number from ${least} to ${most} is wanted`,
  )

const wholeNumber = (least: number, most: number, fallback: number) => anyWholeNumber(least, most).default(fallback)

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values, fallback: Values[number]) =>
  z.enum(values, { error: `one of ${values.join(', ')} is wanted` }).default(fallback as never)

const longestWatchList = 100

/** Symbols separated by commas. */
function symbolsOf(text: string, context: z.RefinementCtx): readonly string[] {
  try {
    const symbols = [...new Set(text.split(',').map((part) => parseSymbol(part.trim())))]
    if (symbols.length <= longestWatchList) return symbols
  } catch {
    // Reported below, as for too many symbols.
  }
  const message = `up to ${longestWatchList} symbols with commas between them, as in AAPL,BTC-USD, are wanted`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}

/** A list separated by commas. `read` throws if an entry is invalid. */
const listOf = (read: (text: string) => string, message: string) =>
  z.string().transform((text, context): readonly string[] => {
    try {
      return [...new Set(text.split(',').map((part) => read(part.trim())))]
    } catch {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
  })

function originOf(text: string): string {
  const { origin, protocol, href } = new URL(text)
  if (!/^https?:$/.test(protocol) || (href !== origin && href !== `${origin}/`)) throw new Error('no origin')
  return origin
}

function hostOf(text: string): string {
  if (isIP(text) === 0 && !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(text)) throw new Error('no host')
  return text.toLowerCase()
}

function networkOf(text: string): string {
  networksOf([text])
  return text
}

const shape = {
  PORT: port(4000),
  HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: port(8001),
  AUTH: z.enum(['open'], { error: 'open is wanted' }).optional(),
  ALLOWED_ORIGINS: listOf(
    originOf,
    'origins of websites, as in https://app.example,http://localhost:5173, are wanted',
  ).optional(),
  ALLOWED_HOSTS: listOf(hostOf, 'host names without ports, as in finstage.example,10.0.0.7, are wanted').optional(),
  TRUST_PROXY: listOf(networkOf, 'addresses or networks of proxies, as in 127.0.0.1,10.0.0.0/8, are wanted').optional(),
  // Postgres' clients accept addresses that no URL parser does: postgresql://user@/database?host=/var/run/postgresql
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\/./, 'an address as in postgresql://user:password@host:5432/database is wanted')
    .optional(),
  DATABASE_CONNECTIONS: anyWholeNumber(8, 1000).optional(),
  DATA_DIR: z.string().default('./.data'),
  MARKET_SOURCE: oneOf(['yahoo', 'simulated'], 'yahoo'),
  YAHOO_BASE_URL: httpOrigin.optional(),
  YAHOO_STREAM: oneOf(['on', 'off'], 'on'),
  YAHOO_STREAM_URL: socketAddress.optional(),
  SIMULATED_SYMBOLS: wholeNumber(1, 10_000, 100),
  SIMULATED_TICKS_PER_SECOND: number(
    (value) => value > 0 && value <= 5000,
    'a number above 0, up to 5000, is wanted',
    1,
  ),
  SIMULATED_HOURS: oneOf(['always', 'exchange'], 'always'),
  CANDLE_RETENTION_DAYS: number(
    (value) => Number.isInteger(value) && value >= 1 && value <= 36_500,
    'a whole number of days from 1 to 36500 is wanted',
    400,
  ),
  CANDLE_MEMORY_MIB: wholeNumber(1, 65_536, 256),
  JOB_AGING_MINUTES: number(
    (value) => value > 0 && value <= 10_080,
    'a number of minutes above 0, up to 10080, is wanted',
    10,
  ),
  JOB_RETENTION_DAYS: number(
    (value) => Number.isInteger(value) && value >= 1 && value <= 36_500,
    'a whole number of days from 1 to 36500 is wanted',
    7,
  ),
  MAX_WAITING_JOBS_PER_OWNER: wholeNumber(1, 10_000_000, usualWaitingLimits.ofOwner),
  MAX_WAITING_JOBS: wholeNumber(1, 10_000_000, usualWaitingLimits.ofAll),
  MAX_ENQUEUES_PER_OPERATION: wholeNumber(1, 200, 20),
  RUN_AT_WITHIN_DAYS: wholeNumber(1, 3650, 30),
  PRICE: oneOf(['measure', 'enforce'], usualPriceSettings.mode),
  MAX_POINTS_PER_OPERATION: wholeNumber(1, 100_000_000, usualPriceSettings.ceiling),
  MAX_STANDING_POINTS: wholeNumber(1, 1_000_000_000, usualPriceSettings.standing.inAll),
  MAX_STANDING_POINTS_PER_CLIENT: wholeNumber(1, 1_000_000_000, usualPriceSettings.standing.ofClient),
  MAX_STANDING_POINTS_PER_CONNECTION: wholeNumber(1, 1_000_000_000, usualPriceSettings.standing.ofConnection),
  MAX_TCP_CONNECTIONS: wholeNumber(1, 1_000_000, 55_000),
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000, 50_000),
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1, 1_000_000, 1000),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: wholeNumber(1, 10_000, 100),
  MAX_SYMBOLS_PER_SUBSCRIPTION: wholeNumber(1, 200, 200),
  MAX_UPSTREAM_CALLS_PER_OPERATION: wholeNumber(1, 10_000, 120),
  MAX_MESSAGE_BYTES: wholeNumber(1024, 1_048_576, 65_536),
  CONNECTION_INIT_SECONDS: wholeNumber(1, 300, 10),
  PING_SECONDS: wholeNumber(1, 300, 12),
  DRAIN_SECONDS: number((value) => value >= 0 && value <= 5, 'a number of seconds from 0 to 5 is wanted', 1),
  WATCH_LIST: z.string().transform(symbolsOf).optional(),
  LOG_LEVEL: oneOf(logLevels, 'info'),
}

export type Config = z.infer<z.ZodObject<typeof shape>>

/** Throws a ConfigurationError whose sentences name what is wrong. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const config = parseEnvironment(shape, environment)
  if (config.PORT !== 0 && config.PORT === config.METRICS_PORT) {
    throw new ConfigurationError(`METRICS_PORT=${config.METRICS_PORT} is wrong: it is the same as PORT`)
  }
  if (config.MAX_CONNECTIONS > config.MAX_TCP_CONNECTIONS) {
    throw new ConfigurationError(
      `MAX_CONNECTIONS=${config.MAX_CONNECTIONS} is wrong: it is more than MAX_TCP_CONNECTIONS=${config.MAX_TCP_CONNECTIONS}`,
    )
  }
  if (isReachable(config) && config.AUTH !== 'open') {
    throw new ConfigurationError(
      `HOST=${config.HOST} is refused: there are no keys yet, so whoever reaches it could do everything. ` +
        'AUTH=open lets them, if that is what you want',
    )
  }
  return config
}

/** Whether other machines may reach the server. */
export const isReachable = ({ HOST }: Pick<Config, 'HOST'>): boolean => !isLoopback(HOST.toLowerCase())
