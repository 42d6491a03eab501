import { pino } from 'pino'
import type { Logger } from '../../../src/platform/logger.ts'

/** A log whose warnings are kept. */
export function keptLog(): { readonly log: Logger; readonly warnings: string[] } {
  const warnings: string[] = []
  const write = (line: string): void => {
    warnings.push((JSON.parse(line) as { msg: string }).msg)
  }
  return { log: pino({ level: 'warn' }, { write }), warnings }
}

/** How often the public way of graphile-worker was taken, as the metric has it. */
export async function fallbackCount({ registry }: { registry: { metrics(): Promise<string> } }): Promise<number> {
  const line = /^finstage_library_fallbacks_total\{library="graphile-worker"\} (\d+)$/m.exec(await registry.metrics())
  return Number(line?.[1] ?? 0)
}
