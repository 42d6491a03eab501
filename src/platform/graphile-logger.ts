import { Logger as GraphileLogger } from 'graphile-worker'
import type { Logger } from './logger.ts'

/** Writes graphile-worker's messages to our log. */
export const graphileLogger = (log: Logger): GraphileLogger =>
  new GraphileLogger((scope) => (level, message, meta) => {
    const write = level === 'warning' ? 'warn' : level === 'info' ? 'debug' : level
    log[write]({ ...scope, ...(meta?.error ? { err: meta.error } : {}) }, message)
  })
