import type { Registry } from 'prom-client'
import type { Quarantine } from '../market/quarantine.ts'
import { simulatedSource } from '../market/simulated/source.ts'
import type { MarketSource } from '../market/source.ts'
import { type YahooOptions, yahooSource, yahooStreamUrl } from '../market/yahoo/source.ts'
import type { Logger } from '../platform/logger.ts'
import type { Config } from './config.ts'

/** Creates the market source that the settings name. */
export function createSource(
  config: Config,
  log: Logger,
  registry: Registry,
  quarantine: Quarantine,
  time: Required<Pick<YahooOptions, 'now' | 'steadyMs' | 'saidTime'>>,
): MarketSource {
  if (config.MARKET_SOURCE === 'simulated') {
    return simulatedSource({
      symbolCount: config.SIMULATED_SYMBOLS,
      ticksPerSecond: config.SIMULATED_TICKS_PER_SECOND,
      hours: config.SIMULATED_HOURS,
      now: time.now,
    })
  }
  return yahooSource({
    ...(config.YAHOO_BASE_URL ? { baseUrl: config.YAHOO_BASE_URL } : {}),
    logger: log,
    registry,
    ...time,
    quarantine,
    streamUrl: streamUrl(config),
  })
}

/** Without a push feed if YAHOO_BASE_URL diverts all calls from Yahoo: then this one must not go to Yahoo either. */
function streamUrl({ YAHOO_STREAM, YAHOO_STREAM_URL, YAHOO_BASE_URL }: Config): string | undefined {
  if (YAHOO_STREAM === 'off') return undefined
  return YAHOO_STREAM_URL ?? (YAHOO_BASE_URL ? undefined : yahooStreamUrl)
}
