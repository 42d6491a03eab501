import { z } from 'zod'
import { logLevels } from '../platform/logger.ts'
import { ConfigurationError, parseEnvironment } from '../platform/environment.ts'

const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'a port is a number from 0 to 65535 (0: any that is free)')
    .transform(Number)
    .refine((number) => number <= 65_535, 'a port is a number from 0 to 65535 (0: any that is free)')
    .default(fallback)

const address = (protocols: readonly string[], example: string) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), `an address as in ${example} is wanted`)

const number = (check: (value: number) => boolean, message: string, fallback: number) =>
  z
    .string()
    .refine((text) => text.trim() !== '' && check(Number(text)), message)
    .transform(Number)
    .default(fallback)

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values, fallback: Values[number]) =>
  z.enum(values, { error: `one of ${values.join(', ')} is wanted` }).default(fallback as never)

const shape = {
  PORT: port(4000),
  HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: port(8001),
  DATABASE_URL: address(['postgres:', 'postgresql:'], 'postgresql://user:password@host:5432/database').optional(),
  DATA_DIR: z.string().default('./.data'),
  MARKET_SOURCE: oneOf(['yahoo', 'simulated'], 'yahoo'),
  YAHOO_BASE_URL: address(['http:', 'https:'], 'http://127.0.0.1:8080').optional(),
  SIMULATED_SYMBOLS: number(
    (value) => Number.isInteger(value) && value >= 1 && value <= 10_000,
    'a whole number from 1 to 10000 is wanted',
    100,
  ),
  SIMULATED_TICKS_PER_SECOND: number((value) => value > 0 && value <= 5000, 'a number above 0, up to 5000, is wanted', 1),
  LOG_LEVEL: oneOf(logLevels, 'info'),
}

export type Config = z.infer<z.ZodObject<typeof shape>>

/** Throws a ConfigurationError whose sentences name what is wrong. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const config = parseEnvironment(shape, environment)
  if (config.PORT !== 0 && config.PORT === config.METRICS_PORT) {
    throw new ConfigurationError(`METRICS_PORT=${config.METRICS_PORT} is wrong: it is the same as PORT`)
  }
  return config
}
